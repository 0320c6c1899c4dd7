"""Cross-entropy of softmax probabilities, with label smoothing."""

from dataclasses import dataclass
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_expr import Hyperparameter
from harness.spec.netspec import Loss
from harness.spec.reference import Array
from harness.spec.rules import hlo_loss, jax_loss, reference_loss


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """Mean over the batch of -Σ_k target_k log softmax(z)_k; target is 1-a+a/K at the label and a/K elsewhere.

    By convention the sum over the batch instead.

    Shapes: z (B, K), labels (B,), loss ().
    Units: nats an example.
    Source: specs/README.md, Loss.
    """


@reference_loss(SoftmaxCrossEntropy)
def reference_cross_entropy(loss: SoftmaxCrossEntropy, np: Any, z: Array, labels: Array, smoothing: float) -> Array:
    """The formula, with the greatest logit of a row taken off."""
    batch, classes = z.shape
    target = np.where(labels[:, None] == np.arange(classes), 1 - smoothing, 0.0) + smoothing / classes
    less = z - z.max(-1, keepdims=True)
    log_p = less - np.log(np.exp(less).sum(-1, keepdims=True))
    return -(target * log_p).sum() / batch


@jax_loss(SoftmaxCrossEntropy)
def jax_cross_entropy(loss: SoftmaxCrossEntropy, j: JaxBuilder, z: Expr, labels: Expr, smoothing: float) -> Expr:
    """-mean(log_softmax(z)[label]), with smoothing (1-a) of that and a of the mean over the classes."""
    log_p = j.let("log_p", j.log_softmax(z))
    likelihood = j.let("likelihood", j.pick(log_p, labels))
    if smoothing:
        share = Hyperparameter("LABEL_SMOOTHING", smoothing)
        smoothed = j.add(j.mul(j.sub(1, share), likelihood), j.mul(share, j.mean(log_p, -1)))
        likelihood = j.let("likelihood", smoothed)
    return j.neg(j.mean(likelihood) if j.conventions.loss_reduction == "mean" else j.sum(likelihood, 0))


@hlo_loss(SoftmaxCrossEntropy)
def hlo_cross_entropy(
    loss: SoftmaxCrossEntropy, h: HloBuilder, z: Value, labels: Value, smoothing: float
) -> tuple[Value, Value]:
    """The loss and dz = (softmax(z) - target)/B: log softmax has the derivative δ - softmax, and target sums to 1."""
    batch, classes = z.shape
    shifted = h.sub(z, h.broadcast(h.max(z, (1,), "greatest"), z.shape, (0,), "greatest_row"), "shifted")
    exp = h.exp(shifted, "powers")
    total = h.sum(exp, (1,), "total_powers")
    log_p = h.sub(
        shifted, h.broadcast(h.log(total, "log_total_powers"), z.shape, (0,), "log_total_powers_row"), "log_p"
    )
    is_label = h.compare("EQ", h.iota(z.shape, 1, "class"), h.broadcast(labels, z.shape, (0,), "label"), "is_label")
    on, off = Named(1 - smoothing + smoothing / classes, "on_value"), Named(smoothing / classes, "off_value")
    target = h.select(is_label, h.constant(on, z.shape), h.constant(off, z.shape), "target")
    log_likelihood = h.sum(h.sum(h.mul(target, log_p, "picked"), (1,), "log_likelihoods"), (0,), "log_likelihood")
    averaged = h.conventions.loss_reduction == "mean"
    total_loss = h.negate(log_likelihood, "of_batch")
    value = h.div(total_loss, Named(batch, "batch"), "mean") if averaged else total_loss
    p = h.div(exp, h.broadcast(total, z.shape, (0,), "total_powers_row"), "p")
    excess = h.sub(p, target, "excess")
    return value, h.div(excess, Named(batch, "batch"), "dz") if averaged else excess
