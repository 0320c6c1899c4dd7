"""From an image to a sequence of its pixels."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class ToSequence(Layer):
    """Pixels in row-major order as tokens, their channels as features: y_tc = x_c,t // W,t mod W.

    Shapes: x (B, C, H, W), y (B, H·W, C).
    Source: specs/README.md, Patch embedding.
    """

    kind: ClassVar[str] = "sequence"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, tokens are made of an image (C, H, W).")
        return (x[1] * x[2], x[0])


@reference_rule(ToSequence)
def reference_sequence(layer: ToSequence, r: Reference, x: Array) -> Array:
    """One row of pixels after the other."""
    return x.reshape(len(x), -1, x.shape[-1])


@jax_rule(ToSequence)
def jax_sequence(layer: ToSequence, j: JaxBuilder, x: Expr) -> Expr:
    """Images are NHWC here, so the two image axes become one."""
    assert j.node is not None
    return j.reshape(x, -1, *j.node.out_shape)


@hlo_forward(ToSequence)
def hlo_sequence(layer: ToSequence, h: HloBuilder, x: Value) -> tuple[Value, Shape]:
    """Images are NHWC here, so the two image axes become one; backward needs them."""
    return h.reshape(x, (x.shape[0], x.shape[1] * x.shape[2], x.shape[3]), "y"), x.shape


@hlo_backward(ToSequence)
def hlo_sequence_backward(layer: ToSequence, h: HloBuilder, shape: Shape, dy: Value) -> tuple[Value]:
    """The same elements."""
    return (h.reshape(dy, shape, "dx"),)
