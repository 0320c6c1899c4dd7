"""Sigmoid-weighted linear unit."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class Swish(Layer):
    """y = x s, s = 1/(1 + e^-x).

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "swish"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Swish)
def reference_swish(layer: Swish, r: Reference, x: Array) -> Array:
    """x over 1 + e^-x."""
    return x / (1 + r.np.exp(-x))


@jax_rule(Swish)
def jax_swish(layer: Swish, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.silu(x)."""
    return j.swish(x)


@hlo_forward(Swish)
def hlo_swish(layer: Swish, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """x times the logistic function of x; backward needs x."""
    return h.mul(x, h.logistic(x, "s"), "y"), x


@hlo_backward(Swish)
def hlo_swish_backward(layer: Swish, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """y' = s + x s (1 - s) = s (1 + x (1 - s))."""
    s = h.logistic(x, "s_again")
    inner = h.add(h.mul(x, h.sub(1.0, s, "rest"), "x_rest"), 1.0, "inner")
    return (h.mul(dy, h.mul(s, inner, "slope"), "dx"),)
