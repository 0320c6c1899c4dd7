"""Image times one number a channel and example."""

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
class ScaleChannels(Layer):
    """y_chw = x_chw g_c.

    Shapes: x (B, C, H, W), g (B, C, 1, 1), y as x.
    Source: specs/README.md, Squeeze and excitation.
    """

    kind: ClassVar[str] = "scale"

    def out_shape(self, *inputs: Shape) -> Shape:
        x, g = inputs
        if len(x) != 3 or g != (x[0], 1, 1):
            raise SpecError(f"the image has shape {dims(x)}, its scale {dims(g)}; the scale must be one pixel of it.")
        return x


@reference_rule(ScaleChannels)
def reference_scale(layer: ScaleChannels, r: Reference, x: Array, g: Array) -> Array:
    """x g at every pixel."""
    return x * g


@jax_rule(ScaleChannels)
def jax_scale(layer: ScaleChannels, j: JaxBuilder, x: Expr, g: Expr) -> Expr:
    """x * g."""
    return j.mul(x, g)


@hlo_forward(ScaleChannels)
def hlo_scale(layer: ScaleChannels, h: HloBuilder, x: Value, g: Value) -> tuple[Value, tuple[Value, Value]]:
    """x g; backward needs both."""
    pixels = h.broadcast(g, x.shape, (0, 1, 2, 3), "g_pixels")
    return h.mul(x, pixels, "y"), (x, pixels)


@hlo_backward(ScaleChannels)
def hlo_scale_backward(
    layer: ScaleChannels, h: HloBuilder, saved: tuple[Value, Value], dy: Value
) -> tuple[Value, Value]:
    """dx = dy g, dg = Σ_hw dy x."""
    x, g = saved
    dg = h.sum(h.mul(dy, x, "x_dy"), (1, 2), "dg_channels")
    return h.mul(dy, g, "dx"), h.reshape(dg, (dg.shape[0], 1, 1, dg.shape[1]), "dg")
