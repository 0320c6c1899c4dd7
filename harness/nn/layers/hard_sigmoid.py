"""Piecewise linear approximation of the logistic function."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class HardSigmoid(Layer):
    """y = min(max(x + 3, 0), 6)/6, with derivative 0 at both corners.

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "hard_sigmoid"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(HardSigmoid)
def reference_hard_sigmoid(layer: HardSigmoid, r: Reference, x: Array) -> Array:
    """In three pieces."""
    return r.np.where(x <= -3, 0.0, r.np.where(x >= 3, 1.0, (x + 3) / 6))


@jax_rule(HardSigmoid)
def jax_hard_sigmoid(layer: HardSigmoid, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.hard_sigmoid(x)."""
    return j.hard_sigmoid(x)


@hlo_forward(HardSigmoid)
def hlo_hard_sigmoid(layer: HardSigmoid, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """The clipped line; backward needs x."""
    line = h.minimum(h.maximum(h.add(x, 3.0, "shifted"), 0.0, "positive_part"), 6.0, "line")
    return h.div(line, 6.0, "y"), x


@hlo_backward(HardSigmoid)
def hlo_hard_sigmoid_backward(layer: HardSigmoid, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """y' = 1/6 where -3 < x < 3, else 0."""
    inside = h.logical_and(
        h.compare("GT", x, Named(-3.0, "minus_three"), "above"), h.compare("LT", x, 3.0, "below"), "inside"
    )
    return (h.select(inside, h.div(dy, 6.0, "dy_sixth"), 0.0, "dx"),)
