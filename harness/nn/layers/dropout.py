"""Dropout with a mask that both sides compute bit for bit."""

import math
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_eval_rule, hlo_forward, jax_eval_rule, jax_rule, reference_rule
from harness.spec.shapes import Node, size

# Murmur3's finaliser: (shift, multiplier) twice, then the last shift.
ROUNDS = ((16, 0x85EBCA6B), (13, 0xC2B2AE35))
LAST_SHIFT = 16


@dataclass(frozen=True)
class Dropout(Layer):
    """y_i = x_i/(1 - rate) where mix(i ^ mix(t ^ mix(seed))) >= floor(2^32 rate), else 0; in evaluation y = x.

    i counts the elements of the batch in row-major order of (B, C, H, W) or (B, T, D), t the steps from 1, mix is
    murmur3's finaliser, all in 32 bits without sign. `seed`: without one it is the CRC-32 of the node's name.

    Shapes: any x, y alike.
    Source: specs/README.md, Dropout.
    """

    rate: float
    seed: int | None = None
    kind: ClassVar[str] = "dropout"

    def validate(self) -> None:
        if not 0 <= self.rate < 1:
            raise SpecError(f"rate={self.rate}; it must be in [0, 1).")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise SpecError(f"seed={self.seed}; it must be in [0, 2^32).")

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x

    @property
    def threshold(self) -> int:
        """The first word that keeps its element."""
        return int(self.rate * 2**32)

    def settled(self, node: str) -> "Dropout":
        return replace(self, seed=zlib.crc32(node.encode()) if self.seed is None else self.seed)

    def seed_at(self, node: Node | None) -> int:
        """The seed of this use of the layer."""
        assert node is not None
        seed = self.settled(node.name).seed
        assert seed is not None
        return seed


@reference_rule(Dropout)
def reference_dropout(layer: Dropout, r: Reference, x: Array) -> Array:
    """Words in 64 bits, of which the upper half is cut off after every product."""
    np, seed = r.np, r.np.array([layer.seed_at(r.node)], r.np.uint64)

    def mix(word: Array) -> Array:
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            word = ((word ^ (word >> shift)) * factor) & 0xFFFFFFFF
        return word ^ (word >> 16)

    shape = (len(x), *r.node.out_shape)
    places = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
    kept = mix(places ^ mix(np.array([r.t], np.uint64) ^ mix(seed))) >= math.floor(2**32 * layer.rate)
    kept = np.moveaxis(kept, 1, -1) if len(shape) == 4 else kept
    return np.where(kept, x / (1 - layer.rate), 0.0)


def _jax_mix(j: JaxBuilder, word: Expr) -> tuple[Expr, ...]:
    for shift, multiplier in ROUNDS:
        word = j.let("word", j.xor(word, j.shift_right(word, shift)))
        word = j.let("word", j.mul(word, j.word(multiplier)))
    return (j.xor(word, j.shift_right(word, LAST_SHIFT)),)


@jax_rule(Dropout)
def jax_dropout(layer: Dropout, j: JaxBuilder, x: Expr) -> Expr:
    """Words counted in NCHW and turned to NHWC, as images are here."""
    assert j.node is not None

    def mix(word: Expr) -> Expr:
        return j.call("mix", "Murmur3's finaliser.", ("word",), _jax_mix, word)

    key = j.let(j.local("key"), mix(j.xor(j.word(j.t), mix(j.word(layer.seed_at(j.node))))))
    places = j.reshape(j.count(x), -1, *j.node.out_shape)
    if len(j.node.out_shape) == 3:
        places = j.transpose(places, (0, 2, 3, 1))
    places = j.let(j.local("places"), places)
    kept = j.let(j.local("kept"), j.at_least(mix(j.xor(places, key)), j.word(layer.threshold)))
    return j.where(kept, j.div(x, 1 - layer.rate), 0.0)


@jax_eval_rule(Dropout)
def jax_dropout_eval(layer: Dropout, j: JaxBuilder, x: Expr) -> Expr:
    """Nothing is dropped."""
    return x


def _mix(h: HloBuilder, word: Value, name: str) -> Value:
    for i, (shift, multiplier) in enumerate(ROUNDS, 1):
        word = h.xor(word, h.shift_right(word, Named(shift, f"shift{i}"), f"{name}_high{i}"), f"{name}_folded{i}")
        word = h.mul(word, Named(multiplier, f"multiplier{i}"), f"{name}_spread{i}")
    high = h.shift_right(word, Named(LAST_SHIFT, "last_shift"), f"{name}_high")
    return h.xor(word, high, f"{name}_mixed")


@hlo_forward(Dropout)
def hlo_dropout(layer: Dropout, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """Words counted in NCHW and turned to NHWC, as images are here; backward needs where elements are kept."""
    seed = h.constant(Named(layer.seed_at(h.node), "seed"), (), "ui32")
    key = _mix(h, h.xor(h.convert(h.inputs["t"], "ui32", "step"), _mix(h, seed, "seed"), "key"), "key")
    n, *inner, last = x.shape
    counted = (n, last, *inner) if len(x.shape) == 4 else x.shape
    places = h.reshape(h.iota((size(x.shape),), 0, "count", "ui32"), counted, "places")
    if len(x.shape) == 4:
        places = h.transpose(places, (0, 2, 3, 1), "places_nhwc")
    words = _mix(h, h.xor(places, h.broadcast(key, x.shape, (), "key_everywhere"), "keyed"), "words")
    kept = h.compare("GE", words, Named(layer.threshold, "threshold"), "kept")
    return h.select(kept, h.div(x, Named(1 - layer.rate, "kept_share"), "x_scaled"), 0.0, "y"), kept


@hlo_backward(Dropout)
def hlo_dropout_backward(layer: Dropout, h: HloBuilder, kept: Value, dy: Value) -> tuple[Value]:
    """y is x/(1 - rate) or 0, so dx is dy/(1 - rate) or 0 at the same places."""
    return (h.select(kept, h.div(dy, Named(1 - layer.rate, "kept_share"), "dy_scaled"), 0.0, "dx"),)


@hlo_eval_rule(Dropout)
def hlo_dropout_eval(layer: Dropout, h: HloBuilder, x: Value) -> Value:
    """Nothing is dropped."""
    return x
