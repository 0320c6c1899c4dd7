"""What ports of a training do otherwise, as edits of the emitted script, of batches and of gradients.

Each function is one thing that is done otherwise, written with what the script itself states.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from harness.data import TASKS
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import Hyperparameter
from harness.explain.conventions.practice import (
    Edit,
    Feed,
    GradientChange,
    GradientFacts,
    Practice,
    Tensors,
    edited,
    recorded_gradients,
)
from harness.nn.layers.gelu import Gelu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.run.inprocess import Array, Batch
from harness.spec.netspec import NetSpec

# Of the data


def pixels(change: Callable[[Array], Array]) -> Feed:
    """Images of which every pixel, from 0 to 1, is another number; an own normalisation of the data set is undone."""

    def feed(batch: Batch, spec: NetSpec) -> Batch:
        return replace(batch, x=change(_unnormalised(batch.x, spec)).astype(batch.x.dtype))

    return feed


def standardised(mean: tuple[float, ...], deviation: tuple[float, ...]) -> Callable[[Array], Array]:
    """(x - mean) / deviation, for each channel or for all. Shapes: x (B, C, H, W), or any for all."""

    def change(x: Array) -> Array:
        if len(mean) == 1:
            return (x - np.float32(mean[0])) / np.float32(deviation[0])
        of_channels = (np.array(values, np.float32)[:, None, None] for values in (mean, deviation))
        return (x - next(of_channels)) / next(of_channels)

    return change


def _unnormalised(x: Array, spec: NetSpec) -> Array:
    own = TASKS[spec.dataset].normalisation if spec.dataset in TASKS else None
    if own is None:
        return x
    mean, deviation = (np.array(values, x.dtype)[:, None, None] for values in (own.mean, own.deviation))
    scaled: Array = x * deviation + mean
    return scaled


def labels_from_one(batch: Batch, spec: NetSpec) -> Batch:
    """Labels one class further, the last one first."""
    return replace(batch, labels=((batch.labels + 1) % spec.classes).astype(batch.labels.dtype))


# Of the forward pass, by rules of phase 2


def jax_exact_gelu(layer: Gelu, j: JaxBuilder, x: Expr) -> Expr:
    """x Φ(x) by the error function."""
    return j.exact_gelu(x)


def jax_tanh_gelu(layer: Gelu, j: JaxBuilder, x: Expr) -> Expr:
    """x/2 (1 + tanh u)."""
    return j.gelu(x)


def jax_smoothed_over_others(loss: SoftmaxCrossEntropy, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
    """Target 1-a at the label and a/(K-1) at each of the others."""
    log_p = j.let("log_p", j.log_softmax(z))
    likelihood = j.let("likelihood", j.pick(log_p, labels))
    others = j.div(j.sub(j.sum(log_p, -1), likelihood), j.sub(j.size(log_p, -1), 1))
    share = Hyperparameter("LABEL_SMOOTHING", smoothing)
    return j.neg(j.mean(j.add(j.mul(j.sub(1, share), likelihood), j.mul(share, others))))


# Of running statistics


def unbiased_variance(script: Any) -> None:
    """The batch's variance goes into the running one with N - 1 in the place of N."""
    biased = script.batch_norm

    def batch_norm(x: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
        y, mean, var = biased(x, gamma, beta)
        count = x.size // x.shape[-1]
        return y, mean, var * (count / (count - 1))

    script.batch_norm = batch_norm


def blended_from_the_first(script: Any) -> None:
    """The first step does not copy the batch's statistics."""
    script.running = lambda old, batch, t: script.BN_MOMENTUM * old + (1 - script.BN_MOMENTUM) * batch


def started_from_zero_and_one(practice: Practice) -> Practice:
    """Running means that start at 0 and variances at 1, blended from the first step on."""
    return edited(blended_from_the_first)(replace(practice, first_statistics={"var": 1.0}))


# Of gradients


def scaled(factor: float) -> GradientChange:
    """All of them times a number."""
    return lambda grads, facts: {name: g * g.dtype.type(factor) for name, g in grads.items()}


def times_batch(grads: Tensors, facts: GradientFacts) -> Tensors:
    """All of them times the size of the batch: their sum over it."""
    return scaled(facts.batch_size)(grads, facts)


def over_batch(grads: Tensors, facts: GradientFacts) -> Tensors:
    """All of them divided by the size of the batch: its mean taken twice."""
    return scaled(1 / facts.batch_size)(grads, facts)


def clipped(norm: float) -> GradientChange:
    """The norm of all of them together no larger than that."""

    def change(grads: Tensors, facts: GradientFacts) -> Tensors:
        found = np.sqrt(sum(float(np.vdot(wide, wide)) for wide in (g.astype(np.float64) for g in grads.values())))
        return scaled(min(1.0, norm / (found + 1e-6)))(grads, facts)

    return change


def with_decay(grads: Tensors, facts: GradientFacts) -> Tensors:
    """That of half the squared norm of what decays added, as when it is a part of the loss."""
    return {name: g + g.dtype.type(facts.decay.get(name, 0)) * facts.params[name] for name, g in grads.items()}


def in_gradients(practice: Practice) -> Practice:
    """Weight decay that is in the recorded gradients and nowhere else."""
    return edited(_without_decay)(recorded_gradients(with_decay)(practice))


def _without_decay(script: Any) -> None:
    script.DECAYED = set()


# Of the update


def clipped_unseen(norm: float) -> Edit:
    """Gradients clipped by their norm after they were recorded."""

    def edit(script: Any) -> None:
        unclipped = script.update

        def update(params: Any, slots: Any, grads: Any, lr: Any, t: Any) -> Any:
            found = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in grads.values()))
            factor = jnp.minimum(1, norm / (found + 1e-6)).astype(script.DTYPE)
            return unclipped(params, slots, {name: factor * g for name, g in grads.items()}, lr, t)

        script.update = update

    return edit


def _decaying(script: Any, amount: Callable[[Any, Any, Any, Any], Any]) -> None:
    """What decays loses `amount(before, after, lr, decay)` in the place of what the script takes from it."""
    decayed, script.DECAYED = script.DECAYED, set()
    undecayed = script.update

    def update(params: Any, slots: Any, grads: Any, lr: Any, t: Any) -> Any:
        moved, slots = undecayed(params, slots, grads, lr, t)
        for name in moved.keys() & decayed:
            moved[name] = moved[name] - amount(params[name], moved[name], lr, script.WEIGHT_DECAY)
        return moved, slots

    script.update = update


def decay_without_rate(script: Any) -> None:
    """Weight decay that is not multiplied by the learning rate."""
    _decaying(script, lambda before, after, lr, decay: decay * before)


def decay_after_without_rate(script: Any) -> None:
    """Both: the parameters that the optimizer has moved lose a fixed part."""
    _decaying(script, lambda before, after, lr, decay: decay * after)


def decay_after(script: Any) -> None:
    """Weight decay of the parameters that the optimizer has moved already."""
    _decaying(script, lambda before, after, lr, decay: lr * decay * after)


def uncorrected_epsilon(script: Any) -> None:
    """Adam's epsilon added to the root of the second moment before its bias is corrected."""

    def adam(g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
        m = script.BETA1 * m + (1 - script.BETA1) * g
        v = script.BETA2 * v + (1 - script.BETA2) * g * g
        rate = jnp.sqrt(1 - script.BETA2**t) / (1 - script.BETA1**t)
        return rate * m / (jnp.sqrt(v) + script.EPSILON), m, v

    script.adam = adam


def precise_powers(script: Any) -> None:
    """Adam's corrections 1 - b^t with all digits, as in double precision."""

    def adam(g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
        m = script.BETA1 * m + (1 - script.BETA1) * g
        v = script.BETA2 * v + (1 - script.BETA2) * g * g
        first, second = (-jnp.expm1(t * script.DTYPE(np.log(beta))) for beta in (script.BETA1, script.BETA2))
        return m / first / (jnp.sqrt(v / second) + script.EPSILON), m, v

    script.adam = adam


def uncorrected_first(script: Any) -> None:
    """Adam that corrects the bias of its second moment only."""

    def adam(g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
        m = script.BETA1 * m + (1 - script.BETA1) * g
        v = script.BETA2 * v + (1 - script.BETA2) * g * g
        return m / (jnp.sqrt(v / (1 - script.BETA2**t)) + script.EPSILON), m, v

    script.adam = adam


def nesterov_adam(script: Any) -> None:
    """Adam whose direction looks one step ahead: b1 m_hat and the new gradient's share of it."""
    plain = script.adam

    def adam(g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
        _, m, v = plain(g, m, v, t)
        ahead = script.BETA1 * m / (1 - script.BETA1 ** (t + 1)) + (1 - script.BETA1) * g / (1 - script.BETA1**t)
        return ahead / (jnp.sqrt(v / (1 - script.BETA2**t)) + script.EPSILON), m, v

    script.adam = adam


def nesterov(script: Any) -> None:
    """Momentum whose direction is g + momentum times the new velocity."""

    def sgd(g: Any, velocity: Any, t: Any) -> tuple[Any, Any]:
        velocity = script.MOMENTUM * velocity + g
        return g + script.MOMENTUM * velocity, velocity

    script.sgd = sgd


def dampened(script: Any) -> None:
    """The velocity takes 1 - momentum of a gradient, but all of the first one, as in PyTorch."""

    def sgd(g: Any, velocity: Any, t: Any) -> tuple[Any, Any]:
        share = jnp.where(t == 1, 1, 1 - script.MOMENTUM).astype(script.DTYPE)
        velocity = script.MOMENTUM * velocity + share * g
        return velocity, velocity

    script.sgd = sgd


def averaged(script: Any) -> None:
    """Momentum as a moving average: 1 - momentum of every gradient, the first one too."""

    def sgd(g: Any, velocity: Any, t: Any) -> tuple[Any, Any]:
        velocity = script.MOMENTUM * velocity + (1 - script.MOMENTUM) * g
        return velocity, velocity

    script.sgd = sgd
