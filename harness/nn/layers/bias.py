"""Adds one number a channel."""

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
class Bias(Layer):
    """y_chw = x_chw + b_c.

    Shapes: x (B, C, H, W), b (C,), y as x.
    Source: specs/README.md, Convolution.
    """

    channels: int
    kind: ClassVar[str] = "bias"

    def params(self) -> tuple[Param, ...]:
        return (Param("b", (self.channels,), "zeros"),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.channels:
            raise SpecError(f"the input has shape {dims(x)}, b was declared for images of {self.channels} channels.")
        return x


@reference_rule(Bias)
def reference_bias(layer: Bias, r: Reference, x: Array) -> Array:
    """x + b, channels last."""
    return x + r.param("b")


@jax_rule(Bias)
def jax_bias(layer: Bias, j: JaxBuilder, x: Expr) -> Expr:
    """x + b over the channel axis."""
    return j.add(x, j.param("b"))


@hlo_forward(Bias)
def hlo_bias(layer: Bias, h: HloBuilder, x: Value) -> tuple[Value, None]:
    """x + b; backward needs nothing."""
    return h.add(x, h.broadcast(h.param("b"), x.shape, (3,), "b_pixels"), "y"), None


@hlo_backward(Bias)
def hlo_bias_backward(layer: Bias, h: HloBuilder, saved: None, dy: Value) -> tuple[Value]:
    """db_c = Σ over batch and pixels of dy; dx = dy.

    Within images first: faster on a CPU, more exact, and no sum is too long for Mesa's driver of Vulkan.
    """
    h.grad("b", h.sum(h.sum(dy, (1, 2), "db_images"), (0,), "db"))
    return (dy,)
