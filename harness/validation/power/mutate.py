"""Ways to mutate a rule: operations of a builder replaced, gradients changed on the way back."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_writer import Body

# method(builder, original, *arguments): `original` is the builder's own operation of that name.
Method = Callable[..., Any]


class MutatedBuilder:
    """A builder that writes where another does, with some operations replaced: those that are listed, no others.

    An operation that another one uses inside stays the builder's own. Helper functions of a JAX script that are written
    with it are mutated alike, and get names of their own.
    """

    def __init__(self, builder: "HloBuilder | JaxBuilder | MutatedBuilder", /, **replaced: Method) -> None:
        self._builder: Any = builder
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._builder, name)
        return functools.partial(self._replaced[name], self, original) if name in self._replaced else original

    def call(self, name: str, doc: str, parameters: Sequence[str], body: Body, *args: Expr, **named: Any) -> Any:
        """A call of a helper function, as JAX's builder has it."""

        def mutated(inner: JaxBuilder, *names: Expr) -> tuple[Expr, ...]:
            return body(MutatedBuilder(inner, **self._replaced), *names)

        return self._builder.call(f"wrong_{name}", doc, parameters, mutated, *args, **named)


@dataclass(frozen=True)
class Nth:
    """`method` at call number `at` of a rule's run only; the original operation otherwise."""

    method: Method
    at: int

    def counting(self) -> Method:
        """For one run of a rule."""
        numbers = itertools.count(1)

        def counted(builder: Any, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            here = next(numbers) == self.at
            return self.method(builder, original, *arguments, **named) if here else original(*arguments, **named)

        return counted


def jax_expr(j: JaxBuilder, name: str, expression: str, **arguments: Expr) -> Expr:
    """A Python expression in the names of the arguments, as a call of a helper function."""

    def body(inner: JaxBuilder, *names: Expr) -> tuple[Expr, ...]:
        return (Expr(expression),)

    return j.call(name, f"{name}, which is wrong.", tuple(arguments), body, *arguments.values())


def jax_with_gradients(j: JaxBuilder, name: str, expression: str, cotangents: str, **arguments: Expr) -> Expr:
    """The same, with cotangents by other expressions: `cotangents` holds one an argument, in their names and `dy`."""
    names = ", ".join(arguments)

    def body(inner: JaxBuilder, *_: Expr) -> tuple[Expr, ...]:
        inner.source.line(f"f = jax.custom_vjp(lambda {names}: {expression})")
        backward = f"lambda saved, dy: (lambda {names}: ({cotangents},))(*saved)"
        inner.source.line(f"f.defvjp(lambda {names}: ({expression}, ({names},)), {backward})")
        return (Expr(f"f({names})"),)

    return j.call(name, f"{name}, with a wrong gradient.", tuple(arguments), body, *arguments.values())


def jax_gradient_as(j: JaxBuilder, name: str, cotangent: str, x: Expr) -> Expr:
    """x, whose gradient becomes the expression `cotangent` in `dy` and `x`."""
    return jax_with_gradients(j, name, "x", cotangent, x=x)


def hlo_reduced(h: HloBuilder, x: Value, mantissa: int, exponent: int = 8) -> Value:
    """x rounded to so many bits of mantissa and exponent."""
    return h.reduce_precision(x, exponent, mantissa, "reduced")


def jax_reduced(j: JaxBuilder, x: Expr, mantissa: int, exponent: int = 8) -> Expr:
    """The same."""
    return Expr(f"jax.lax.reduce_precision({x}, exponent_bits={exponent}, mantissa_bits={mantissa})")
