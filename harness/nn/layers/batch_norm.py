"""Batch normalisation."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import Hyperparameter
from harness.errors import SpecError
from harness.spec.fields import SAID_OFF_DEFAULT
from harness.spec.netspec import Initialiser, Layer, Param, Shape, State
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_eval_rule, hlo_forward, jax_eval_rule, jax_rule, reference_rule
from harness.spec.shapes import dims

EPSILON = 1e-5
MOMENTUM = 0.9


@dataclass(frozen=True)
class BatchNorm(Layer):
    """y = gamma (x - mean)/sqrt(var + epsilon) + beta, with the batch's mean and biased variance of each channel.

    Evaluation uses running statistics: the first step copies the batch's, later ones give 0.9 old + 0.1 batch.
    Conventions may put epsilon outside the root, take the statistics of each image alone (also in evaluation), or round
    1/N in the backward pass to six decimals.

    Shapes: x (B, C, H, W), gamma, beta, mean, var (C,), y as x.
    Source: specs/README.md, Batch norm; Ioffe and Szegedy 2015.
    """

    channels: int
    gamma: Initialiser = "ones"
    epsilon: float = field(default=EPSILON, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "bn"

    def validate(self) -> None:
        if self.channels < 1:
            raise SpecError(f"channels={self.channels}; it must be at least 1.")
        check_epsilon(self.epsilon)

    def params(self) -> tuple[Param, ...]:
        return (Param("gamma", (self.channels,), self.gamma), Param("beta", (self.channels,), "zeros"))

    def states(self) -> tuple[State, ...]:
        return (State("mean", (self.channels,)), State("var", (self.channels,)))

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.channels:
            raise SpecError(
                f"the input has shape {dims(x)}, gamma was declared for images of {self.channels} channels."
            )
        return x


def check_epsilon(epsilon: float) -> None:
    """Raise SpecError for an epsilon that keeps no root away from zero."""
    if epsilon <= 0:
        raise SpecError(f"epsilon={epsilon}; it must be greater than 0.")
    if epsilon < 2.0**-126:
        raise SpecError(f"epsilon={epsilon}; it must be at least {2.0**-126:.2g}, or f32 may take it for 0.")


@reference_rule(BatchNorm)
def reference_batch_norm(layer: BatchNorm, r: Reference, x: Array) -> Array:
    """Two passes over batch, height and width."""
    centred = x - x.mean((0, 1, 2))
    xhat = centred / r.np.sqrt((centred * centred).mean((0, 1, 2)) + layer.epsilon)
    return r.param("gamma") * xhat + r.param("beta")


def _jax_normalise(layer: BatchNorm, j: JaxBuilder, x: Expr, gamma: Expr, beta: Expr) -> tuple[Expr, ...]:
    by_image = j.conventions.batch_norm_statistics == "instance"
    axes = (1, 2) if by_image else (0, 1, 2)
    if j.conventions.batch_norm_inverse_count == "six-decimals":
        x = j.let("x", _jax_as_if_counted(j, x, axes))
    mean = j.let("mean", j.mean(x, axes, keepdims=by_image))
    var = j.let("var", j.mean(j.square(j.sub(x, mean)), axes, keepdims=by_image))
    scale = j.let("scale", j.div(gamma, _jax_deviation(layer, j, var)))
    y = j.add(j.mul(j.sub(x, mean), scale), beta)
    return (y,) if by_image else (y, mean, var)


def _jax_deviation(layer: BatchNorm, j: JaxBuilder, var: Expr) -> Expr:
    epsilon = Hyperparameter("BN_EPSILON", layer.epsilon)
    if j.conventions.batch_norm_epsilon == "outside":
        return j.add(j.sqrt(var), epsilon)
    return j.sqrt(j.add(var, epsilon))


def _jax_as_if_counted(j: JaxBuilder, x: Expr, axes: Shape) -> Expr:
    """x whose gradient is that of a backward pass with 1/N rounded: N times that."""
    count = j.size(x, axes[0])
    for axis in axes[1:]:
        count = j.mul(count, j.size(x, axis))
    count = j.let("count", count)
    return j.scale_gradient(x, j.mul(j.round(j.div(1, count), 6), count))


def _jax_running(j: JaxBuilder, old: Expr, batch: Expr, t: Expr) -> tuple[Expr, ...]:
    momentum = Hyperparameter("BN_MOMENTUM", MOMENTUM)
    later = j.add(j.mul(momentum, old), j.mul(j.sub(1, momentum), batch))
    return (j.where(j.equal(t, 1), batch, later),)


@jax_rule(BatchNorm)
def jax_batch_norm(layer: BatchNorm, j: JaxBuilder, x: Expr) -> Expr:
    """Normalise with the batch's statistics and keep the running ones."""
    if j.conventions.batch_norm_statistics == "instance":
        for name in ("mean", "var"):
            j.set_state(name, j.state(name))
        return _jax_by_image(layer, j, x)
    doc = "Normalise each channel over the batch and its pixels; also gives the batch's mean and biased variance."
    call = _jax_call(layer, j, doc, x)
    y, mean, var = j.let_many([j.local(), j.local("mean"), j.local("var")], call)
    doc = "A running statistic after this step; the first step copies the batch's."
    for name, batch in (("mean", mean), ("var", var)):
        j.set_state(name, j.call("running", doc, ("old", "batch", "t"), _jax_running, j.state(name), batch, j.t))
    return y


def _jax_by_image(layer: BatchNorm, j: JaxBuilder, x: Expr) -> Expr:
    doc = "Normalise each channel of each image over its pixels."
    return _jax_call(layer, j, doc, x)


def _jax_call(layer: BatchNorm, j: JaxBuilder, doc: str, x: Expr) -> Expr:
    names, args = ("x", "gamma", "beta"), (x, j.param("gamma"), j.param("beta"))
    return j.call("batch_norm", doc, names, partial(_jax_normalise, layer), *args, facts=layer.epsilon)


def _jax_normalise_eval(
    layer: BatchNorm, j: JaxBuilder, x: Expr, gamma: Expr, beta: Expr, mean: Expr, var: Expr
) -> tuple[Expr, ...]:
    scale = j.let("scale", j.div(gamma, _jax_deviation(layer, j, var)))
    return (j.add(j.mul(j.sub(x, mean), scale), beta),)


@jax_eval_rule(BatchNorm)
def jax_batch_norm_eval(layer: BatchNorm, j: JaxBuilder, x: Expr) -> Expr:
    """Normalise with the running statistics."""
    if j.conventions.batch_norm_statistics == "instance":
        return _jax_by_image(layer, j, x)
    names = ("gamma", "beta", "mean", "var")
    args = (j.param("gamma"), j.param("beta"), j.state("mean"), j.state("var"))
    doc = "Normalise each channel with its running statistics."
    body = partial(_jax_normalise_eval, layer)
    return j.call("batch_norm_eval", doc, ("x", *names), body, x, *args, facts=layer.epsilon)


@dataclass(frozen=True)
class _SavedBatchNorm:
    centred: Value
    istd: Value


def _channel_sum(h: HloBuilder, x: Value, name: str) -> Value:
    """Σ over images and pixels of x (B, H·W, C): within images first, which uses all cores and keeps more digits."""
    return h.sum(h.sum(x, (1,), f"{name}_images"), (0,), name)


def _normalise(h: HloBuilder, centred: Value, istd: Value, name: str) -> Value:
    """(x - mean) istd, channel by channel."""
    return h.mul(centred, h.broadcast(istd, centred.shape, (2,), f"istd_of_{name}"), name)


def _check_conventions(h: HloBuilder) -> None:
    h.only("batch_norm_statistics", "batch")
    h.only("batch_norm_epsilon", "inside")


def _pixels(h: HloBuilder, x: Value, name: str) -> Value:
    """Images (B, H, W, C) as (B, H·W, C)."""
    return h.reshape(x, (x.shape[0], x.shape[1] * x.shape[2], x.shape[3]), name)


def _inverse_deviation(layer: BatchNorm, h: HloBuilder, var: Value) -> Value:
    """1/sqrt(var + epsilon)."""
    return h.div(1.0, h.sqrt(h.add(var, Named(layer.epsilon, "epsilon"), "var_plus_epsilon"), "std"), "istd")


@hlo_forward(BatchNorm)
def hlo_batch_norm(layer: BatchNorm, h: HloBuilder, image: Value) -> tuple[Value, _SavedBatchNorm]:
    """Two passes: the mean, then the mean square of what is left, which backward needs too."""
    _check_conventions(h)
    x = _pixels(h, image, "x_pixels")
    count = Named(x.shape[0] * x.shape[1], "count")
    mean = h.div(_channel_sum(h, x, "total"), count, "mean")
    centred = h.sub(x, h.broadcast(mean, x.shape, (2,), "mean_pixels"), "centred")
    var = h.div(_channel_sum(h, h.mul(centred, centred, "squares"), "total_squares"), count, "var")
    istd = _inverse_deviation(layer, h, var)
    xhat = _normalise(h, centred, istd, "xhat")
    scaled = h.mul(xhat, h.broadcast(h.param("gamma"), x.shape, (2,), "gamma_pixels"), "scaled")
    y = h.add(scaled, h.broadcast(h.param("beta"), x.shape, (2,), "beta_pixels"), "y_pixels")
    first = h.broadcast(h.compare("EQ", h.inputs["t"], 1.0, "first"), (layer.channels,), (), "first_channels")
    momentum, rest = Named(MOMENTUM, "momentum"), Named(1 - MOMENTUM, "one_minus_momentum")
    for name, batch in (("mean", mean), ("var", var)):
        kept = h.mul(h.state(name), momentum, f"running_{name}_kept")
        later = h.add(kept, h.mul(batch, rest, f"running_{name}_gained"), f"running_{name}_later")
        h.set_state(name, h.select(first, batch, later, f"running_{name}_new"))
    return h.reshape(y, image.shape, "y"), _SavedBatchNorm(centred, istd)


@hlo_backward(BatchNorm)
def hlo_batch_norm_backward(layer: BatchNorm, h: HloBuilder, saved: _SavedBatchNorm, dy_image: Value) -> tuple[Value]:
    """With N = B H W and dn = gamma dy: the mean takes Σ dn away, the variance xhat Σ dn xhat.

    dbeta = Σ dy, dgamma = Σ dy xhat, dx = istd/N (N dn - Σ dn - xhat Σ dn xhat)
                                         = istd gamma/N (N dy - dbeta - xhat dgamma).
    """
    dy = _pixels(h, dy_image, "dy_pixels")
    n = dy.shape[0] * dy.shape[1]
    xhat = _normalise(h, saved.centred, saved.istd, "xhat_again")
    dbeta = _channel_sum(h, dy, "dbeta")
    dgamma = _channel_sum(h, h.mul(dy, xhat, "xhat_dy"), "dgamma")
    h.grad("gamma", dgamma)
    h.grad("beta", dbeta)
    inverse = 1 / n if h.conventions.batch_norm_inverse_count == "exact" else round(1 / n, 6)
    scale = h.mul(h.mul(saved.istd, h.param("gamma"), "istd_gamma"), Named(inverse, "inverse_count"), "scale")
    own = h.mul(dy, Named(n, "count"), "count_dy")
    mean_part = h.sub(own, h.broadcast(dbeta, dy.shape, (2,), "dbeta_pixels"), "less_mean")
    var_part = h.mul(xhat, h.broadcast(dgamma, dy.shape, (2,), "dgamma_pixels"), "var_part")
    less_var = h.sub(mean_part, var_part, "less_var")
    dx = h.mul(less_var, h.broadcast(scale, dy.shape, (2,), "scale_pixels"), "dx_pixels")
    return (h.reshape(dx, dy_image.shape, "dx"),)


@hlo_eval_rule(BatchNorm)
def hlo_batch_norm_eval(layer: BatchNorm, h: HloBuilder, x: Value) -> Value:
    """Normalise with the running statistics."""
    _check_conventions(h)
    istd = _inverse_deviation(layer, h, h.state("var"))
    centred = h.sub(x, h.broadcast(h.state("mean"), x.shape, (3,), "mean_pixels"), "centred")
    xhat = h.mul(centred, h.broadcast(istd, x.shape, (3,), "istd_pixels"), "xhat")
    scaled = h.mul(xhat, h.broadcast(h.param("gamma"), x.shape, (3,), "gamma_pixels"), "scaled")
    return h.add(scaled, h.broadcast(h.param("beta"), x.shape, (3,), "beta_pixels"), "y")
