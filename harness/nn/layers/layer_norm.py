"""Layer normalisation."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import Hyperparameter
from harness.errors import SpecError
from harness.nn.layers.batch_norm import EPSILON, check_epsilon
from harness.spec.fields import SAID_OFF_DEFAULT
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class LayerNorm(Layer):
    """y = gamma (x - mean)/sqrt(var + epsilon) + beta, with mean and biased variance over the last axis.

    Shapes: x (B, T, features) or (B, features), gamma, beta (features,), y as x.
    Source: specs/README.md, Layer norm; Ba et al. 2016.
    """

    features: int
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "ln"

    def validate(self) -> None:
        if self.features < 1:
            raise SpecError(f"features={self.features}; it must be at least 1.")
        check_epsilon(self.epsilon)

    def params(self) -> tuple[Param, ...]:
        return (Param("gamma", (self.features,), "ones"), Param("beta", (self.features,), "zeros"))

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) not in (1, 2) or x[-1] != self.features:
            raise SpecError(
                f"the input has shape {dims(x)}, gamma was declared for vectors or sequences of {self.features}."
            )
        return x


@reference_rule(LayerNorm)
def reference_layer_norm(layer: LayerNorm, r: Reference, x: Array) -> Array:
    """Two passes over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    xhat = centred / r.np.sqrt((centred * centred).mean(-1, keepdims=True) + layer.epsilon)
    return r.param("gamma") * xhat + r.param("beta")


def _jax_normalise(layer: LayerNorm, j: JaxBuilder, x: Expr, gamma: Expr, beta: Expr) -> tuple[Expr, ...]:
    centred = j.let("centred", j.sub(x, j.mean(x, -1, keepdims=True)))
    var = j.let("var", j.mean(j.square(centred), -1, keepdims=True))
    deviation = j.sqrt(j.add(var, Hyperparameter("LN_EPSILON", layer.epsilon)))
    return (j.add(j.mul(j.div(centred, deviation), gamma), beta),)


@jax_rule(LayerNorm)
def jax_layer_norm(layer: LayerNorm, j: JaxBuilder, x: Expr) -> Expr:
    """Normalise the last axis."""
    doc = "Normalise the features of each token."
    names, args = ("x", "gamma", "beta"), (x, j.param("gamma"), j.param("beta"))
    return j.call("layer_norm", doc, names, partial(_jax_normalise, layer), *args, facts=layer.epsilon)


@dataclass(frozen=True)
class _SavedLayerNorm:
    centred: Value
    istd: Value


def _row_sum(h: HloBuilder, x: Value, name: str) -> Value:
    """Σ over the features of each row: in blocks first, about as many as they are long, which keeps more digits."""
    *rows, n = x.shape
    block = max(k for k in range(1, math.isqrt(n) + 1) if n % k == 0)
    blocks = h.sum(h.reshape(x, (*rows, n // block, block), f"{name}_apart"), (len(rows) + 1,), f"{name}_blocks")
    return h.sum(blocks, (len(rows),), name)


def _along(h: HloBuilder, rows: Value, x: Value, name: str) -> Value:
    """One number a row, repeated along the features of x."""
    return h.broadcast(rows, x.shape, tuple(range(len(rows.shape))), name)


def _across(h: HloBuilder, features: Value, x: Value, name: str) -> Value:
    """One number a feature, repeated for every row of x."""
    return h.broadcast(features, x.shape, (len(x.shape) - 1,), name)


@hlo_forward(LayerNorm)
def hlo_layer_norm(layer: LayerNorm, h: HloBuilder, x: Value) -> tuple[Value, _SavedLayerNorm]:
    """Two passes: the mean, then the mean square of what is left, which backward needs too."""
    n = Named(layer.features, "features")
    mean = h.div(_row_sum(h, x, "total"), n, "mean")
    centred = h.sub(x, _along(h, mean, x, "mean_row"), "centred")
    var = h.div(_row_sum(h, h.mul(centred, centred, "squares"), "total_squares"), n, "var")
    istd = h.div(1.0, h.sqrt(h.add(var, Named(layer.epsilon, "epsilon"), "var_plus_epsilon"), "std"), "istd")
    xhat = h.mul(centred, _along(h, istd, x, "istd_row"), "xhat")
    scaled = h.mul(xhat, _across(h, h.param("gamma"), x, "gamma_rows"), "scaled")
    return h.add(scaled, _across(h, h.param("beta"), x, "beta_rows"), "y"), _SavedLayerNorm(centred, istd)


def _feature_sum(h: HloBuilder, x: Value, name: str) -> Value:
    """Σ over all rows; within examples first, which keeps more digits."""
    return h.sum(h.sum(x, (1,), f"{name}_tokens") if len(x.shape) == 3 else x, (0,), name)


@hlo_backward(LayerNorm)
def hlo_layer_norm_backward(layer: LayerNorm, h: HloBuilder, saved: _SavedLayerNorm, dy: Value) -> tuple[Value]:
    """xhat = (x - mean) istd, y = gamma xhat + beta, so dbeta = Σ dy, dgamma = Σ dy xhat over all rows.

    With dn = gamma dy and N features, in each row: x moves xhat itself by istd, by -istd/N through the mean, and by
    -xhat istd/N xhat_i through istd, since dvar/dx_i = 2/N (x_i - mean) and distd/dvar = -istd³/2. Together
    dx = istd (dn - Σ dn/N - xhat Σ (dn xhat)/N).
    """
    n = Named(layer.features, "features")
    xhat = h.mul(saved.centred, _along(h, saved.istd, dy, "istd_of_xhat_again"), "xhat_again")
    h.grad("gamma", _feature_sum(h, h.mul(dy, xhat, "xhat_dy"), "dgamma"))
    h.grad("beta", _feature_sum(h, dy, "dbeta"))
    dn = h.mul(dy, _across(h, h.param("gamma"), dy, "gamma_of_dn"), "dn")
    mean_dn = h.div(_row_sum(h, dn, "total_dn"), n, "mean_dn")
    mean_xhat_dn = h.div(_row_sum(h, h.mul(dn, xhat, "xhat_dn"), "total_xhat_dn"), n, "mean_xhat_dn")
    less_mean = h.sub(dn, _along(h, mean_dn, dn, "mean_dn_row"), "less_mean")
    less_var = h.sub(less_mean, h.mul(xhat, _along(h, mean_xhat_dn, dn, "var_row"), "var_part"), "less_var")
    return (h.mul(less_var, _along(h, saved.istd, dn, "istd_of_dx"), "dx"),)
