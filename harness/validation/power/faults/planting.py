"""Ways to plant that several families share. Each gives the plants by side."""

from collections.abc import Callable, Mapping
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule
from harness.validation.power.fault import Pipeline, Plant, Wrap
from harness.validation.power.spoil import Method, Nth, jax_gradient_as, with_methods

Plants = Mapping[Pipeline, Plant]
Change = Callable[[HloBuilder, Value], Value]


def everywhere(plant: Plant) -> Plants:
    """The same on either side."""
    return {"phase2": plant, "phase3": plant}


def ruled(jax: Wrap | None = None, forward: Wrap | None = None, backward: Wrap | None = None) -> Plants:
    """Rules of the guilty layer, by table; a side without any has no plant."""
    three = ((hlo_forward, forward), (hlo_backward, backward))
    plants: dict[Pipeline, Plant] = {}
    if jax is not None:
        plants["phase2"] = Plant(rules=((jax_rule, jax),))
    if forward is not None or backward is not None:
        plants["phase3"] = Plant(rules=tuple((table, wrap) for table, wrap in three if wrap is not None))
    return plants


def methods(**replaced: Method | Nth) -> Wrap:
    """The rule with some operations of its builder replaced."""

    def wrap(rule: Callable[..., Any], layer: Any, builder: Any, *values: Any) -> Any:
        fresh = {name: m.counting() if isinstance(m, Nth) else m for name, m in replaced.items()}
        return rule(layer, with_methods(builder, **fresh), *values)

    return wrap


def parameter_gradient(param: str, cotangent: str, change: Change) -> Plants:
    """The gradient of one parameter: an expression in `dy`, and what phase 3 makes of it."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        def read(_: JaxBuilder, original: Callable[[str], Expr], name: str) -> Expr:
            return jax_gradient_as(j, f"wrong_{param}", cotangent, original(name)) if name == param else original(name)

        return rule(layer, with_methods(j, param=read), *xs)

    def backward(rule: Callable[..., Any], layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        def grad(_: HloBuilder, original: Callable[[str, Value], None], name: str, value: Value) -> None:
            original(name, change(h, value) if name == param else value)

        return rule(layer, with_methods(h, grad=grad), saved, dy)

    return ruled(jax, backward=backward)


def input_gradient(at: int, cotangent: str, change: Change) -> Plants:
    """The same of one input."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        fed = [jax_gradient_as(j, "wrong_input", cotangent, x) if i == at else x for i, x in enumerate(xs)]
        return rule(layer, j, *fed)

    def backward(rule: Callable[..., tuple[Value, ...]], layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        return tuple(change(h, dx) if i == at else dx for i, dx in enumerate(rule(layer, h, saved, dy)))

    return ruled(jax, backward=backward)


def parameter_seen(param: str, expression: Callable[[Expr], str], change: Change) -> Plants:
    """What the forward pass sees of one parameter. Phase 3's backward pass goes on seeing the right one."""

    def jax(rule: Callable[..., Expr], layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        def read(_: JaxBuilder, original: Callable[[str], Expr], name: str) -> Expr:
            return Expr(expression(original(name))) if name == param else original(name)

        return rule(layer, with_methods(j, param=read), *xs)

    def forward(rule: Callable[..., Any], layer: Any, h: HloBuilder, *xs: Value) -> Any:
        def read(_: HloBuilder, original: Callable[[str], Value], name: str) -> Value:
            return change(h, original(name)) if name == param else original(name)

        return rule(layer, with_methods(h, param=read), *xs)

    return ruled(jax, forward)
