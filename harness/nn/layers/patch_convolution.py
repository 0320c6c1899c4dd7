"""Convolution whose windows lie side by side."""

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
from harness.spec.windows import Windows


@dataclass(frozen=True)
class PatchConvolution(Layer):
    """y_ohw = Σ_ikl w_oikl x_i,ph+k,pw+l: a convolution at stride p = patch with VALID padding.

    Shapes: x (B, in_channels, H, W), w (out_channels, in_channels, patch, patch), y (B, out_channels, H // p, W // p).
    Source: specs/README.md, Patch embedding.
    """

    in_channels: int
    out_channels: int
    patch: int
    kind: ClassVar[str] = "patches"

    def validate(self) -> None:
        for name in ("in_channels", "out_channels", "patch"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")

    def params(self) -> tuple[Param, ...]:
        shape = (self.out_channels, self.in_channels, self.patch, self.patch)
        return (Param("w", shape, "he_normal", fan_in=self.in_channels * self.patch**2, decays=True),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.in_channels:
            raise SpecError(f"the input has shape {dims(x)}, w was declared for images of {self.in_channels} channels.")
        return (self.out_channels, *Windows(self.patch, self.patch, "VALID").places(x[1:]))


@reference_rule(PatchConvolution)
def reference_patches(layer: PatchConvolution, r: Reference, x: Array) -> Array:
    """A sum over the places in a patch, each with its own matrix of weights."""
    w, taps = r.param("w"), r.taps(x, layer.patch, layer.patch, "VALID")
    return sum(tap @ w[:, :, i // layer.patch, i % layer.patch].T for i, tap in enumerate(taps))


@jax_rule(PatchConvolution)
def jax_patches(layer: PatchConvolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated."""
    return j.conv(x, j.param("w"), layer.patch, "VALID")


def _matrix(h: HloBuilder, w: Value, name: str) -> Value:
    """Weights as (out, in·p·p)."""
    return h.reshape(w, (w.shape[0], w.shape[1] * w.shape[2] * w.shape[3]), name)


@hlo_forward(PatchConvolution)
def hlo_patches(layer: PatchConvolution, h: HloBuilder, x: Value) -> tuple[Value, tuple[Value, Shape]]:
    """One matrix product: no pixel is in two windows, so they are x itself in another order, and few where p is large.

    A convolution would need its weights turned around, a tap at a time. Backward needs the windows and the shape of x.
    """
    p, (n, height, width, channels) = layer.patch, x.shape
    rows, columns = height // p, width // p
    whole = h.slice(x, (0, 0, 0, 0), (n, rows * p, columns * p, channels), name="x_whole")
    apart = h.reshape(whole, (n, rows, p, columns, p, channels), "x_apart")
    windows = h.transpose(apart, (0, 1, 3, 5, 2, 4), "windows_apart")
    windows = h.reshape(windows, (n, rows * columns, channels * p * p), "windows")
    y = h.dot(windows, _matrix(h, h.param("w"), "w_rows"), ((2,), (1,)), name="y_rows")
    return h.reshape(y, (n, rows, columns, layer.out_channels), "y"), (windows, x.shape)


@hlo_backward(PatchConvolution)
def hlo_patches_backward(
    layer: PatchConvolution, h: HloBuilder, saved: tuple[Value, Shape], dy_image: Value
) -> tuple[Value]:
    """With windows v (B, H' W', in p p) and w (out, in p p): y = v wᵀ, so dw = Σ_b dyᵀ v, dv = dy w.

    dx is dv put back where its windows were, and 0 where none was.
    """
    windows, (n, height, width, channels) = saved
    p, (_, rows, columns, out) = layer.patch, dy_image.shape
    dy = h.reshape(dy_image, (n, rows * columns, out), "dy_rows")
    dw = h.sum(h.dot(dy, windows, ((1,), (1,)), ((0,), (0,)), "dw_images"), (0,), "dw_rows")
    h.grad("w", h.reshape(dw, h.param("w").shape, "dw"))
    dv = h.dot(dy, _matrix(h, h.param("w"), "w_rows_again"), ((2,), (0,)), name="dwindows")
    apart = h.reshape(dv, (n, rows, columns, channels, p, p), "dwindows_apart")
    whole = h.transpose(apart, (0, 1, 4, 2, 5, 3), "dwhole_apart")
    whole = h.reshape(whole, (n, rows * p, columns * p, channels), "dwhole")
    rest = (0, height - rows * p, width - columns * p, 0)
    return (h.pad(whole, 0.0, (0, 0, 0, 0), rest, name="dx"),)
