"""Piecewise quadratic approximation of swish."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class HardSwish(Layer):
    """y = x min(max(x + 3, 0), 6)/6.

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "hard_swish"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(HardSwish)
def reference_hard_swish(layer: HardSwish, r: Reference, x: Array) -> Array:
    """In three pieces."""
    return r.np.where(x <= -3, 0.0, r.np.where(x >= 3, x, x * (x + 3) / 6))


@jax_rule(HardSwish)
def jax_hard_swish(layer: HardSwish, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.hard_swish(x)."""
    return j.hard_swish(x)


def _line(h: HloBuilder, x: Value, again: str) -> Value:
    """x + 3, clipped to 0 and 6."""
    positive = h.maximum(h.add(x, 3.0, f"shifted{again}"), 0.0, f"positive_part{again}")
    return h.minimum(positive, 6.0, f"line{again}")


@hlo_forward(HardSwish)
def hlo_hard_swish(layer: HardSwish, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """x times the clipped line; backward needs x."""
    line = _line(h, x, "")
    return h.div(h.mul(x, line, "x_line"), 6.0, "y"), x


@hlo_backward(HardSwish)
def hlo_hard_swish_backward(layer: HardSwish, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """y' = line/6 + x line'/6: 0 below -3, (2x + 3)/6 between, 1 above 3; at the corners line' is 0."""
    line = _line(h, x, "_again")
    inside = h.logical_and(
        h.compare("GT", x, Named(-3.0, "minus_three"), "above"), h.compare("LT", x, 3.0, "below"), "inside"
    )
    slope = h.div(h.add(line, h.select(inside, x, 0.0, "x_inside"), "six_slopes"), 6.0, "slope")
    return (h.mul(dy, slope, "dx"),)
