"""Positional embedding: a trained vector for each token's place."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class PositionalEmbedding(Layer):
    """y = x + pos, with one trained vector a place; weight decay leaves it alone.

    Shapes: x (B, tokens, features), pos (tokens, features), y as x.
    Source: specs/README.md, Patch embedding.
    """

    tokens: int
    features: int
    kind: ClassVar[str] = "position"

    def params(self) -> tuple[Param, ...]:
        return (Param("pos", (self.tokens, self.features), "he_normal", fan_in=self.tokens),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if x != (self.tokens, self.features):
            raise SpecError(f"the input has shape {dims(x)}, pos was declared for {self.tokens}x{self.features}.")
        return x


@reference_rule(PositionalEmbedding)
def reference_position(layer: PositionalEmbedding, r: Reference, x: Array) -> Array:
    """x + pos."""
    return x + r.param("pos")


@jax_rule(PositionalEmbedding)
def jax_position(layer: PositionalEmbedding, j: JaxBuilder, x: Expr) -> Expr:
    """x + pos for every example."""
    return j.add(x, j.param("pos"))


@hlo_forward(PositionalEmbedding)
def hlo_position(layer: PositionalEmbedding, h: HloBuilder, x: Value) -> tuple[Value, None]:
    """x + pos; backward needs nothing."""
    return h.add(x, h.broadcast(h.param("pos"), x.shape, (1, 2), "pos_examples"), "y"), None


@hlo_backward(PositionalEmbedding)
def hlo_position_backward(layer: PositionalEmbedding, h: HloBuilder, saved: None, dy: Value) -> tuple[Value]:
    """dpos = Σ_b dy, dx = dy."""
    h.grad("pos", h.sum(dy, (0,), "dpos"))
    return (dy,)
