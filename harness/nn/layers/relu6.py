"""Rectified linear unit that saturates at 6."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class Relu6(Layer):
    """y = min(max(x, 0), 6), with derivative 0 at 0 and at 6.

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "relu6"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Relu6)
def reference_relu6(layer: Relu6, r: Reference, x: Array) -> Array:
    """In three pieces."""
    return r.np.where(x <= 0, 0.0, r.np.where(x >= 6, 6.0, x))


@jax_rule(Relu6)
def jax_relu6(layer: Relu6, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.relu6(x)."""
    return j.relu6(x)


@hlo_forward(Relu6)
def hlo_relu6(layer: Relu6, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """min(max(x, 0), 6); backward needs y, so that x need not be kept."""
    y = h.minimum(h.maximum(x, 0.0, "positive_part"), 6.0, "y")
    return y, y


@hlo_backward(Relu6)
def hlo_relu6_backward(layer: Relu6, h: HloBuilder, y: Value, dy: Value) -> tuple[Value]:
    """dx = dy where 0 < x < 6, which is where 0 < y < 6, else 0."""
    inside = h.logical_and(h.compare("GT", y, 0.0, "above_zero"), h.compare("LT", y, 6.0, "below_six"), "inside")
    return (h.select(inside, dy, 0.0, "dx"),)
