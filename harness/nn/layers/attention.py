"""Multi-head attention over given queries, keys and values."""

import math
from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class Attention(Layer):
    """In each head, whose features are D/heads neighbours: y = softmax(q kᵀ/sqrt(D/heads)) v.

    Shapes: q, k, v, y (B, T, D).
    Source: specs/README.md, Attention; Vaswani et al. 2017, section 3.2.
    """

    heads: int
    kind: ClassVar[str] = "attention"

    def validate(self) -> None:
        if self.heads < 1:
            raise SpecError(f"heads={self.heads}; it must be at least 1.")

    def out_shape(self, *inputs: Shape) -> Shape:
        q, k, v = inputs
        if len(q) != 2 or q != k or q != v:
            raise SpecError(
                f"q, k, v have shapes {dims(q)}, {dims(k)}, {dims(v)}; they must be sequences (T, D) alike."
            )
        if q[1] % self.heads:
            raise SpecError(
                f"{q[1]} features cannot be shared by {self.heads} heads. Make one a multiple of the other."
            )
        return q


@reference_rule(Attention)
def reference_attention(layer: Attention, r: Reference, q: Array, k: Array, v: Array) -> Array:
    """One head after the other, each on its own features."""
    width, mixed = q.shape[-1] // layer.heads, []
    for start in range(0, q.shape[-1], width):
        head = slice(start, start + width)
        scores = q[..., head] @ r.np.swapaxes(k[..., head], 1, 2) / math.sqrt(width)
        powers = r.np.exp(scores - scores.max(-1, keepdims=True))
        mixed.append(powers / powers.sum(-1, keepdims=True) @ v[..., head])
    return r.np.concatenate(mixed, -1)


def _jax_attention(j: JaxBuilder, q: Expr, k: Expr, v: Expr, heads: Expr) -> tuple[Expr, ...]:
    def split(name: str, x: Expr, order: Shape) -> Expr:
        return j.let(name, j.transpose(j.split_last(x, heads), order))

    q = split("q", q, (0, 2, 1, 3))
    k = split("k", k, (0, 2, 3, 1))
    v = split("v", v, (0, 2, 1, 3))
    scores = j.let("scores", j.div(j.dot(q, k), j.power(j.size(q, -1), Expr("0.5"))))
    mixed = j.let("mixed", j.transpose(j.dot(j.softmax(scores), v), (0, 2, 1, 3)))
    return (j.join_last(mixed),)


@jax_rule(Attention)
def jax_attention(layer: Attention, j: JaxBuilder, q: Expr, k: Expr, v: Expr) -> Expr:
    """softmax(q @ k / sqrt(d)) @ v, with the heads beside the batch."""
    doc = "Each head's mean of v, weighted by the softmax of q k / sqrt(features of a head)."
    return j.call("attention", doc, ("q", "k", "v", "heads"), _jax_attention, q, k, v, Expr(str(layer.heads)))


@dataclass(frozen=True)
class _SavedAttention:
    q: Value
    k: Value
    v: Value
    p: Value


def _split(layer: Attention, h: HloBuilder, x: Value, name: str) -> Value:
    """(B, T, D) to (B·heads, T, D/heads)."""
    n, tokens, features = x.shape
    width = features // layer.heads
    apart = h.transpose(h.reshape(x, (n, tokens, layer.heads, width), f"{name}_apart"), (0, 2, 1, 3), f"{name}_turned")
    return h.reshape(apart, (n * layer.heads, tokens, width), f"{name}_heads")


def _join(layer: Attention, h: HloBuilder, x: Value, name: str) -> Value:
    """(B·heads, T, D/heads) to (B, T, D)."""
    rows, tokens, width = x.shape
    apart = h.reshape(x, (rows // layer.heads, layer.heads, tokens, width), f"{name}_apart")
    back = h.transpose(apart, (0, 2, 1, 3), f"{name}_turned")
    return h.reshape(back, (rows // layer.heads, tokens, layer.heads * width), name)


@hlo_forward(Attention)
def hlo_attention(layer: Attention, h: HloBuilder, q: Value, k: Value, v: Value) -> tuple[Value, _SavedAttention]:
    """Scores less the greatest of their row, so that no exponential overflows; backward needs the weights p too."""
    q, k, v = (_split(layer, h, x, name) for x, name in ((q, "q"), (k, "k"), (v, "v")))
    scores = h.div(h.dot(q, k, ((2,), (2,)), ((0,), (0,)), "qk"), Named(math.sqrt(q.shape[2]), "sqrt_width"), "scores")
    greatest = h.broadcast(h.max(scores, (2,), "greatest"), scores.shape, (0, 1), "greatest_row")
    powers = h.exp(h.sub(scores, greatest, "less"), "powers")
    total = h.broadcast(h.sum(powers, (2,), "total"), powers.shape, (0, 1), "total_row")
    p = h.div(powers, total, "p")
    mixed = h.dot(p, v, ((2,), (1,)), ((0,), (0,)), "mixed")
    return _join(layer, h, mixed, "y"), _SavedAttention(q, k, v, p)


@hlo_backward(Attention)
def hlo_attention_backward(
    layer: Attention, h: HloBuilder, saved: _SavedAttention, dy: Value
) -> tuple[Value, Value, Value]:
    """y = p v, p = softmax(s) a row, s = q kᵀ/r with r = sqrt(D/heads).

    dv = pᵀ dy, dp = dy vᵀ. dp_j/ds_i = p_j (δ_ij - p_i), so ds = p (dp - Σ_j dp_j p_j). dq = ds k/r, dk = dsᵀ q/r.
    """
    q, k, v, p = saved.q, saved.k, saved.v, saved.p
    dmixed = _split(layer, h, dy, "dy")
    batch = (0,), (0,)
    dv = h.dot(p, dmixed, ((1,), (1,)), batch, "dv_heads")
    dp = h.dot(dmixed, v, ((2,), (2,)), batch, "dp")
    mean = h.broadcast(h.sum(h.mul(dp, p, "p_dp"), (2,), "mean_dp"), p.shape, (0, 1), "mean_dp_row")
    ds = h.div(h.mul(p, h.sub(dp, mean, "dp_less"), "dscores"), Named(math.sqrt(q.shape[2]), "sqrt_width"), "dqk")
    dq = h.dot(ds, k, ((2,), (1,)), batch, "dq_heads")
    dk = h.dot(ds, q, ((1,), (1,)), batch, "dk_heads")
    return _join(layer, h, dq, "dq"), _join(layer, h, dk, "dk"), _join(layer, h, dv, "dv")
