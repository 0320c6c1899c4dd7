"""Ways to inject a fault that several families share. Each gives the injections by side."""

from collections.abc import Callable, Mapping
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.validation.power.fault import Injection, Pipeline, Wrap
from harness.validation.power.mutate import Method, MutatedBuilder, Nth, jax_gradient_as

Injections = Mapping[Pipeline, Injection]
Change = Callable[[HloBuilder, Value], Value]


def everywhere(injection: Injection) -> Injections:
    """The same on either side."""
    return {"phase2": injection, "phase3": injection}


def ruled(jax: Wrap | None = None, forward: Wrap | None = None, backward: Wrap | None = None) -> Injections:
    """Rules of the guilty layer, by table; a side without any has no injection."""
    hlo = {"hlo_forward": forward, "hlo_backward": backward}
    injections: dict[Pipeline, Injection] = {}
    if jax is not None:
        injections["phase2"] = Injection(rules={"jax": jax})
    if forward is not None or backward is not None:
        injections["phase3"] = Injection(rules={table: wrap for table, wrap in hlo.items() if wrap is not None})
    return injections


def methods(**replaced: Method | Nth) -> Wrap:
    """The rule with some operations of its builder replaced."""

    def wrap(rule: Callable[..., Any], layer: Any, builder: Any, *values: Any) -> Any:
        fresh = {name: m.counting() if isinstance(m, Nth) else m for name, m in replaced.items()}
        return rule(layer, MutatedBuilder(builder, **fresh), *values)

    return wrap


def parameter_gradient(param: str, cotangent: str, change: Change) -> Injections:
    """The gradient of one parameter: an expression in `dy`, and what phase 3 makes of it."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        def read(_: JaxBuilder, original: Callable[[str], Expr], name: str) -> Expr:
            return jax_gradient_as(j, f"wrong_{param}", cotangent, original(name)) if name == param else original(name)

        return rule(layer, MutatedBuilder(j, param=read), *xs)

    def backward(rule: Callable[..., Any], layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        def grad(_: HloBuilder, original: Callable[[str, Value], None], name: str, value: Value) -> None:
            original(name, change(h, value) if name == param else value)

        return rule(layer, MutatedBuilder(h, grad=grad), saved, dy)

    return ruled(jax, backward=backward)


def input_gradient(at: int, cotangent: str, change: Change) -> Injections:
    """The same of one input."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        fed = [jax_gradient_as(j, "wrong_input", cotangent, x) if i == at else x for i, x in enumerate(xs)]
        return rule(layer, j, *fed)

    def backward(rule: Callable[..., tuple[Value, ...]], layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        return tuple(change(h, dx) if i == at else dx for i, dx in enumerate(rule(layer, h, saved, dy)))

    return ruled(jax, backward=backward)


def parameter_seen(param: str, expression: Callable[[Expr], str], change: Change) -> Injections:
    """One parameter as the forward pass sees it. Phase 3's backward pass goes on seeing the original."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        def read(_: JaxBuilder, original: Callable[[str], Expr], name: str) -> Expr:
            return Expr(expression(original(name))) if name == param else original(name)

        return rule(layer, MutatedBuilder(j, param=read), *xs)

    def forward(rule: Callable[..., Any], layer: Any, h: HloBuilder, *xs: Value) -> Any:
        def read(_: HloBuilder, original: Callable[[str], Value], name: str) -> Value:
            return change(h, original(name)) if name == param else original(name)

        return rule(layer, MutatedBuilder(h, param=read), *xs)

    return ruled(jax, forward)
