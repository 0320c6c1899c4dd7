"""Gaussian error linear unit."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.fields import SAID_OFF_DEFAULT
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule

CUBIC = 0.044715


@dataclass(frozen=True)
class Gelu(Layer):
    """y = x Φ(x), Φ the normal distribution; or its tanh form y = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x³).

    `approximate`: "tanh" for the latter, "none" for the former, by the error function: Φ(x) = (1 + erf(x/sqrt 2))/2.

    Shapes: any x, y alike.
    Source: specs/README.md, Activations; Hendrycks and Gimpel 2016.
    """

    approximate: Literal["tanh", "none"] = field(default="tanh", metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "gelu"

    def validate(self) -> None:
        if self.approximate not in ("tanh", "none"):
            raise SpecError(f'approximate={self.approximate!r}; it must be "tanh" or "none".')

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Gelu)
def reference_gelu(layer: Gelu, r: Reference, x: Array) -> Array:
    """The formula."""
    if layer.approximate == "none":
        return x / 2 * (1 + r.erf(x / math.sqrt(2)))
    return x / 2 * (1 + r.np.tanh(math.sqrt(2 / math.pi) * (x + CUBIC * x * x * x)))


@jax_rule(Gelu)
def jax_gelu(layer: Gelu, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.gelu in either form."""
    return j.gelu(x) if layer.approximate == "tanh" else j.exact_gelu(x)


@dataclass(frozen=True)
class _SavedExactGelu:
    x: Value
    cdf: Value


@hlo_forward(Gelu)
def hlo_gelu(layer: Gelu, h: HloBuilder, x: Value) -> tuple[Value, Value | _SavedExactGelu]:
    """(1 + tanh u)/2 is the logistic function of 2u, which also exists in f64 where tanh does not; backward needs x.

    In the exact form it needs Φ(x) too, which is long to compute.
    """
    if layer.approximate == "none":
        cdf = _normal_cdf(h, x)
        return h.mul(x, cdf, "y"), _SavedExactGelu(x, cdf)
    return h.mul(x, _gate(h, x, ""), "y"), x


_TWO_SLOPES = Named(2 * math.sqrt(2 / math.pi), "two_sqrt_of_two_over_pi")


def _gate(h: HloBuilder, x: Value, again: str) -> Value:
    cube = h.mul(h.mul(x, x, f"x2{again}"), x, f"x3{again}")
    arc = h.add(x, h.mul(cube, Named(CUBIC, "cubic_factor"), f"cubic{again}"), f"arc{again}")
    return h.logistic(h.mul(arc, _TWO_SLOPES, f"two_u{again}"), f"gate{again}")


# (1 + 2z) exp(z²) erfc(z) for z from 0 to infinity is a smooth function of q = (z - 4)/(z + 4), here as a polynomial in
# q from its constant term on: the Chebyshev interpolation at 60 points, made with 50 digits and cut behind degree 22.
# What is cut is at most 3e-16.
# Source of the form: Shepherd and Laframboise 1981, Chebyshev approximation of (1 + 2x) exp(x²) erfc x.
_ERFC = (
    1.2329951186255526,
    -0.1396211168405572,
    0.015379652102610473,
    0.06809705425421975,
    -0.10103906603586531,
    0.09373283501077742,
    -0.06633036582031154,
    0.03716751538635946,
    -0.016197733981455194,
    0.005031971002298884,
    -0.000757773707063825,
    -0.00019926095315041177,
    0.00015062309720018628,
    -2.438779085759055e-05,
    -1.1225101875659178e-05,
    5.689537732302816e-06,
    2.9801353803031333e-07,
    -8.020193766522085e-07,
    7.115337800585303e-08,
    9.295292277973951e-08,
    -1.6371779763566967e-08,
    -6.9926126813398e-09,
    1.5738283774192037e-09,
)


def _normal_cdf(h: HloBuilder, x: Value) -> Value:
    """Φ(x) from the tail erfc(z)/2 beyond z = |x|/sqrt 2. StableHLO has no error function."""
    z = h.mul(h.maximum(x, h.negate(x, "minus_x"), "size"), Named(math.sqrt(0.5), "sqrt_of_half"), "z")
    q = h.div(h.sub(z, 4.0, "z_minus_four"), h.add(z, 4.0, "z_plus_four"), "q")
    series: Value | float = Named(_ERFC[-1], f"erfc_q{len(_ERFC) - 1}")
    for power in reversed(range(len(_ERFC) - 1)):
        term = h.mul(q, series, f"q_times_series{power}")
        series = h.add(term, Named(_ERFC[power], f"erfc_q{power}"), f"series{power}")
    decay = h.exp(h.negate(h.mul(z, z, "z2"), "minus_z2"), "exp_minus_z2")
    twice = h.div(h.mul(series, decay, "decayed"), h.add(h.mul(z, 2.0, "two_z"), 1.0, "one_plus_two_z"), "erfc_z")
    tail = h.mul(twice, Named(0.5, "half"), "tail")
    return h.select(h.compare("GT", x, 0.0, "is_positive"), h.sub(1.0, tail, "but_tail"), tail, "cdf")


@hlo_backward(Gelu)
def hlo_gelu_backward(layer: Gelu, h: HloBuilder, saved: Value | _SavedExactGelu, dy: Value) -> tuple[Value]:
    """With s = logistic(2u): y' = s + x s (1 - s) 2u', u' = sqrt(2/pi) (1 + 3·0.044715 x²).

    In the exact form y' = Φ(x) + x φ(x), with the density φ(x) = exp(-x²/2)/sqrt(2 pi).
    """
    if isinstance(saved, _SavedExactGelu):
        x = saved.x
        exponent = h.mul(h.mul(x, x, "x2_of_slope"), Named(-0.5, "minus_half"), "exponent_of_slope")
        density = h.mul(h.exp(exponent, "bell"), Named(1 / math.sqrt(2 * math.pi), "density_at_zero"), "density")
        return (h.mul(dy, h.add(saved.cdf, h.mul(x, density, "x_density"), "slope"), "dx"),)
    x = saved
    s = _gate(h, x, "_again")
    arc = h.add(
        h.mul(h.mul(x, x, "x2_of_slope"), Named(3 * CUBIC, "three_cubic_factors"), "cubic_slope"), 1.0, "arc_slope"
    )
    two_du = h.mul(arc, _TWO_SLOPES, "two_du")
    spread = h.mul(h.mul(x, h.mul(s, h.sub(1.0, s, "rest"), "s_rest"), "x_s_rest"), two_du, "spread")
    return (h.mul(dy, h.add(s, spread, "slope"), "dx"),)
