"""Instance normalisation."""

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
class InstanceNorm(Layer):
    """y = gamma (x - mean)/sqrt(var + epsilon) + beta, with mean and biased variance of each channel of each image.

    Shapes: x (B, channels, H, W), gamma, beta (channels,), y as x.
    Source: specs/README.md, Instance norm; Ulyanov et al. 2016.
    """

    channels: int
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "in"

    def validate(self) -> None:
        if self.channels < 1:
            raise SpecError(f"channels={self.channels}; it must be at least 1.")
        check_epsilon(self.epsilon)

    def params(self) -> tuple[Param, ...]:
        return (Param("gamma", (self.channels,), "ones"), Param("beta", (self.channels,), "zeros"))

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.channels:
            raise SpecError(
                f"the input has shape {dims(x)}, gamma was declared for images of {self.channels} channels."
            )
        return x


@reference_rule(InstanceNorm)
def reference_instance_norm(layer: InstanceNorm, r: Reference, x: Array) -> Array:
    """Two passes over height and width."""
    centred = x - x.mean((1, 2), keepdims=True)
    xhat = centred / r.np.sqrt((centred * centred).mean((1, 2), keepdims=True) + layer.epsilon)
    return r.param("gamma") * xhat + r.param("beta")


def _jax_normalise(layer: InstanceNorm, j: JaxBuilder, x: Expr, gamma: Expr, beta: Expr) -> tuple[Expr, ...]:
    centred = j.let("centred", j.sub(x, j.mean(x, (1, 2), keepdims=True)))
    var = j.let("var", j.mean(j.square(centred), (1, 2), keepdims=True))
    deviation = j.sqrt(j.add(var, Hyperparameter("IN_EPSILON", layer.epsilon)))
    return (j.add(j.mul(j.div(centred, deviation), gamma), beta),)


@jax_rule(InstanceNorm)
def jax_instance_norm(layer: InstanceNorm, j: JaxBuilder, x: Expr) -> Expr:
    """Normalise over the two image axes."""
    doc = "Normalise each channel of each image over its pixels."
    names, args = ("x", "gamma", "beta"), (x, j.param("gamma"), j.param("beta"))
    return j.call("instance_norm", doc, names, partial(_jax_normalise, layer), *args, facts=layer.epsilon)


@dataclass(frozen=True)
class _SavedInstanceNorm:
    centred: Value
    istd: Value


def _image_sum(h: HloBuilder, x: Value, name: str) -> Value:
    """Σ over the pixels of x (B, H, W, C): within rows first, which keeps more digits."""
    return h.sum(h.sum(x, (2,), f"{name}_rows"), (1,), name)


def _normalise(h: HloBuilder, centred: Value, istd: Value, name: str) -> Value:
    """(x - mean) istd, image by image and channel by channel."""
    return h.mul(centred, h.broadcast(istd, centred.shape, (0, 3), f"istd_of_{name}"), name)


@hlo_forward(InstanceNorm)
def hlo_instance_norm(layer: InstanceNorm, h: HloBuilder, x: Value) -> tuple[Value, _SavedInstanceNorm]:
    """Two passes: the mean, then the mean square of what is left, which backward needs too."""
    count = Named(x.shape[1] * x.shape[2], "pixels")
    mean = h.div(_image_sum(h, x, "total"), count, "mean")
    centred = h.sub(x, h.broadcast(mean, x.shape, (0, 3), "mean_pixels"), "centred")
    var = h.div(_image_sum(h, h.mul(centred, centred, "squares"), "total_squares"), count, "var")
    istd = h.div(1.0, h.sqrt(h.add(var, Named(layer.epsilon, "epsilon"), "var_plus_epsilon"), "std"), "istd")
    xhat = _normalise(h, centred, istd, "xhat")
    scaled = h.mul(xhat, h.broadcast(h.param("gamma"), x.shape, (3,), "gamma_pixels"), "scaled")
    return h.add(scaled, h.broadcast(h.param("beta"), x.shape, (3,), "beta_pixels"), "y"), _SavedInstanceNorm(
        centred, istd
    )


@hlo_backward(InstanceNorm)
def hlo_instance_norm_backward(
    layer: InstanceNorm, h: HloBuilder, saved: _SavedInstanceNorm, dy: Value
) -> tuple[Value]:
    """As batch norm with N = H W, one image at a time; gamma is constant inside a channel and leaves the sums.

    With s = Σ_hw dy and r = Σ_hw dy xhat of each image: dbeta = Σ_b s, dgamma = Σ_b r,
    dx = istd gamma (dy - s/N - xhat r/N).
    """
    count = Named(dy.shape[1] * dy.shape[2], "pixels")
    xhat = _normalise(h, saved.centred, saved.istd, "xhat_again")
    s = _image_sum(h, dy, "dbeta_image")
    r = _image_sum(h, h.mul(dy, xhat, "xhat_dy"), "dgamma_image")
    h.grad("beta", h.sum(s, (0,), "dbeta"))
    h.grad("gamma", h.sum(r, (0,), "dgamma"))
    mean_part = h.broadcast(h.div(s, count, "dbeta_mean"), dy.shape, (0, 3), "dbeta_pixels")
    var_part = h.mul(xhat, h.broadcast(h.div(r, count, "dgamma_mean"), dy.shape, (0, 3), "dgamma_pixels"), "var_part")
    less = h.sub(h.sub(dy, mean_part, "less_mean"), var_part, "less_var")
    scale = h.mul(saved.istd, h.broadcast(h.param("gamma"), saved.istd.shape, (1,), "gamma_images"), "scale")
    return (h.mul(less, h.broadcast(scale, dy.shape, (0, 3), "scale_pixels"), "dx"),)
