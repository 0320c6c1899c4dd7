"""Statements that JAX rules write, with their names, helper functions and hyperparameters."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.emit.jax_expr import ATOM, UNARY, Expr, Hyperparameter, Operand
from harness.emit.source import Source
from harness.spec.netspec import Conventions
from harness.spec.shapes import Node


class JaxWriter:
    """Writes statements into `source`, and keeps what they need above them.

    A rule sees its node's parameters and states through `param`, `state` and `set_state`.
    """

    def __init__(self, conventions: Conventions, source: Source | None = None) -> None:
        self.conventions = conventions
        self.source = source or Source()
        self.node: Node | None = None
        self._helpers: dict[str, str] = {}
        self._functions: dict[str, str] = {}
        self._facts: dict[str, object] = {}
        self._hyperparameters: dict[str, float] = {}

    @property
    def functions(self) -> tuple[str, ...]:
        """Source of every function that was called: helpers, then what rules wrote, in the order of first use."""
        return (*self._helpers.values(), *self._functions.values())

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Every number that was called by its name; another one by that name has a number behind it."""
        return dict(self._hyperparameters)

    def module(self) -> str:
        """Source of the module: the statements, below the hyperparameters and helper functions that it needs."""
        constants = "".join(f"{name} = {value!r}\n" for name, value in self._hyperparameters.items())
        return "\n\n".join(filter(None, [constants, *self.functions, str(self.source)]))

    def operand(self, x: Operand) -> Expr:
        """A number as an expression: by its name where it has one."""
        if isinstance(x, Expr):
            return x
        if isinstance(x, Hyperparameter):
            return Expr(_named(self._hyperparameters, x.name, float(x)))
        return Expr(repr(x), UNARY if x < 0 else ATOM)

    def let(self, name: str, value: Expr) -> Expr:
        """`name = value`; returns the name."""
        self.source.line(f"{name} = {value}")
        return Expr(name)

    def local(self, hint: str = "") -> str:
        """A variable name that belongs to the current node; without a hint that of its output."""
        assert self.node is not None
        name = self.node.name.replace(".", "_")
        return f"{name}_{hint}" if hint else name

    def let_many(self, names: Sequence[str], value: Expr) -> tuple[Expr, ...]:
        """`a, b = value`; returns the names."""
        self.source.line(f"{', '.join(names)} = {value}")
        return tuple(Expr(name) for name in names)

    def call(
        self, name: str, doc: str, parameters: Sequence[str], body: "Body", *args: Expr, facts: object = None
    ) -> Expr:
        """A call of a function, which is written once. `body(builder, *parameters)` returns its results.

        `facts`: what of its layer the body depends on; with others it is another function.
        """
        name = _named(self._facts, name, facts)
        if name not in self._functions:
            inner = type(self)(self.conventions)
            inner._helpers, inner._functions, inner._facts = self._helpers, self._functions, self._facts
            inner._hyperparameters = self._hyperparameters
            with inner.source.block(f"def {name}({', '.join(parameters)}):"):
                inner.source.line(f'"""{doc}"""')
                results = body(inner, *(Expr(parameter) for parameter in parameters))
                inner.source.line(f"return {', '.join(map(str, results))}")
            self._functions[name] = str(inner.source)
        return Expr(f"{name}({', '.join(map(str, args))})")

    def helper(self, name: str, source: str, arguments: str) -> Expr:
        """A call of a helper function whose source is at hand, which is written once."""
        self._helpers.setdefault(name, source)
        return Expr(f"{name}({arguments})")

    def param(self, name: str) -> Expr:
        """The node's parameter."""
        assert self.node is not None
        return Expr(f'params["{self.node.scope}.{name}"]')

    def state(self, name: str) -> Expr:
        """The node's running statistic before this step."""
        assert self.node is not None
        return Expr(f'stats["{self.node.scope}.{name}"]')

    def set_state(self, name: str, value: Expr) -> None:
        """The node's running statistic after this step."""
        assert self.node is not None
        self.source.line(f'new_stats["{self.node.scope}.{name}"] = {value}')

    @property
    def t(self) -> Expr:
        """Number of the training step, from 1, as a float."""
        return Expr("t")


T = TypeVar("T")


def _named(named: dict[str, T], wanted: str, value: T) -> str:
    """The name of a value in the table: `wanted`, numbered when another value has it."""
    name, count = wanted, 1
    while named.setdefault(name, value) != value:
        count += 1
        name = f"{wanted}_{count}"
    return name


Body = Callable[..., tuple[Expr, ...]]
