"""From a vector to an image of one pixel."""

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
class ToPixel(Layer):
    """The features of a vector as the channels of one pixel.

    Shapes: x (B, C), y (B, C, 1, 1).
    Source: specs/README.md, Squeeze and excitation.
    """

    kind: ClassVar[str] = "pixel"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 1:
            raise SpecError(f"the input has shape {dims(x)}, a pixel is made of a vector.")
        return (*x, 1, 1)


@reference_rule(ToPixel)
def reference_pixel(layer: ToPixel, r: Reference, x: Array) -> Array:
    """Height and width of one."""
    return x[:, None, None, :]


@jax_rule(ToPixel)
def jax_pixel(layer: ToPixel, j: JaxBuilder, x: Expr) -> Expr:
    """Two more axes; images are NHWC here."""
    assert j.node is not None
    return j.reshape(x, -1, 1, 1, *j.node.in_shapes[0])


@hlo_forward(ToPixel)
def hlo_pixel(layer: ToPixel, h: HloBuilder, x: Value) -> tuple[Value, None]:
    """Two more axes; backward needs nothing."""
    return h.reshape(x, (x.shape[0], 1, 1, x.shape[1]), "y"), None


@hlo_backward(ToPixel)
def hlo_pixel_backward(layer: ToPixel, h: HloBuilder, saved: None, dy: Value) -> tuple[Value]:
    """The same elements."""
    return (h.reshape(dy, (dy.shape[0], dy.shape[3]), "dx"),)
