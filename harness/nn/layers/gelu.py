"""Gaussian error linear unit, tanh form."""

import math
from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule

CUBIC = 0.044715


@dataclass(frozen=True)
class Gelu(Layer):
    """y = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x³).

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "gelu"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Gelu)
def reference_gelu(layer: Gelu, r: Reference, x: Array) -> Array:
    """The formula."""
    return x / 2 * (1 + r.np.tanh(math.sqrt(2 / math.pi) * (x + CUBIC * x * x * x)))


@jax_rule(Gelu)
def jax_gelu(layer: Gelu, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.gelu in its tanh form."""
    return j.gelu(x)


@hlo_forward(Gelu)
def hlo_gelu(layer: Gelu, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """(1 + tanh u)/2 is the logistic function of 2u, which also exists in f64 where tanh does not; backward needs x."""
    return h.mul(x, _gate(h, x, ""), "y"), x


_TWO_SLOPES = Named(2 * math.sqrt(2 / math.pi), "two_sqrt_of_two_over_pi")


def _gate(h: HloBuilder, x: Value, again: str) -> Value:
    cube = h.mul(h.mul(x, x, f"x2{again}"), x, f"x3{again}")
    arc = h.add(x, h.mul(cube, Named(CUBIC, "cubic_factor"), f"cubic{again}"), f"arc{again}")
    return h.logistic(h.mul(arc, _TWO_SLOPES, f"two_u{again}"), f"gate{again}")


@hlo_backward(Gelu)
def hlo_gelu_backward(layer: Gelu, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """With s = logistic(2u): y' = s + x s (1 - s) 2u', u' = sqrt(2/pi) (1 + 3·0.044715 x²)."""
    s = _gate(h, x, "_again")
    arc = h.add(
        h.mul(h.mul(x, x, "x2_of_slope"), Named(3 * CUBIC, "three_cubic_factors"), "cubic_slope"), 1.0, "arc_slope"
    )
    two_du = h.mul(arc, _TWO_SLOPES, "two_du")
    spread = h.mul(h.mul(x, h.mul(s, h.sub(1.0, s, "rest"), "s_rest"), "x_s_rest"), two_du, "spread")
    return (h.mul(dy, h.add(s, spread, "slope"), "dx"),)
