"""Convolution without bias; Conv2d and ConvBn are made of it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.emit.hlo_builder import HloBuilder, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.rules import hlo_backward, hlo_forward, jax_rule
from harness.shapes import dims
from harness.spec import Layer, Param, Shape

Padding = Literal["SAME", "VALID"]


@dataclass(frozen=True)
class Convolution(Layer):
    """y_ohw = Σ_ikl w_oikl x_i,sh+k-low,sw+l-low: a cross-correlation, as is usual.

    Shapes: x (B, in_channels, H, W), w (out_channels, in_channels, kernel, kernel), y (B, out_channels, H', W').
    Source: specs/README.md, Convolution.
    """

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    padding: Padding = "SAME"
    kind: ClassVar[str] = "conv"

    def validate(self) -> None:
        for name in ("in_channels", "out_channels", "kernel", "stride"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")
        if self.padding not in ("SAME", "VALID"):
            raise SpecError(f'padding={self.padding!r}; it must be "SAME" or "VALID".')

    def params(self) -> tuple[Param, ...]:
        shape = (self.out_channels, self.in_channels, self.kernel, self.kernel)
        return (Param("w", shape, "he_normal", fan_in=self.in_channels * self.kernel**2, decays=True),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, a convolution needs an image (C, H, W).")
        if x[0] != self.in_channels:
            raise SpecError(
                f"the input has {x[0]} channels, w was declared for {self.in_channels}. Set in_channels={x[0]}."
            )
        return (self.out_channels, *(window_span(n, self.kernel, self.stride, self.padding)[0] for n in x[1:]))


def window_span(n: int, window: int, stride: int, padding: str) -> tuple[int, int, int]:
    """How a window moves along an axis of n: (number of places, padding below, padding above).

    Raises: SpecError when the window finds no place.
    Source: specs/README.md, Padding.
    """
    if padding == "VALID":
        if n < window:
            raise SpecError(f"a window of {window} does not fit into {n} pixels. Use SAME padding or a smaller window.")
        return (n - window) // stride + 1, 0, 0
    places = -(-n // stride)
    total = max(0, (places - 1) * stride + window - n)
    return places, total // 2, total - total // 2


@jax_rule(Convolution)
def jax_convolution(layer: Convolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated."""
    return j.conv(x, j.param("w"), layer.stride, layer.padding)


def _patches(h: HloBuilder, x: Value, kernel: int, stride: int, places: Shape) -> Value:
    """Every window of a padded NHWC image as one row: (B, H'·W', kernel²·C), the taps in row-major order."""
    n, _, _, channels = x.shape
    height, width = places
    taps = [
        h.slice(
            x,
            (0, k, l, 0),
            (n, k + (height - 1) * stride + 1, l + (width - 1) * stride + 1, channels),
            (1, stride, stride, 1),
            f"tap{k}{l}",
        )
        for k in range(kernel)
        for l in range(kernel)
    ]
    rows = h.concatenate(taps, 3, "taps") if len(taps) > 1 else taps[0]
    return h.reshape(rows, (n, height * width, kernel * kernel * channels), "patches")


@hlo_forward(Convolution)
def hlo_convolution(layer: Convolution, h: HloBuilder, x: Value) -> tuple[Value, tuple[Value, Shape]]:
    """Windows as rows times weights as columns; backward needs the rows and the input's shape."""
    n, height, width, _ = x.shape
    rows, top, bottom = window_span(height, layer.kernel, layer.stride, layer.padding)
    columns, left, right = window_span(width, layer.kernel, layer.stride, layer.padding)
    if top or bottom or left or right:
        padded = h.pad(x, 0.0, (0, top, left, 0), (0, bottom, right, 0), name="padded")
    else:
        padded = x
    patches = _patches(h, padded, layer.kernel, layer.stride, (rows, columns))
    w = h.transpose(h.param("w"), (2, 3, 1, 0), "w_klio")
    w = h.reshape(w, (patches.shape[2], layer.out_channels), "w_columns")
    y = h.dot(patches, w, ((2,), (0,)), name="y_rows")
    return h.reshape(y, (n, rows, columns, layer.out_channels), "y"), (patches, x.shape)


@hlo_backward(Convolution)
def hlo_convolution_backward(
    layer: Convolution, h: HloBuilder, saved: tuple[Value, Shape], dy: Value
) -> tuple[Value]:
    """dw is linear in the windows: dw_oikl = Σ_bhw dy_bohw x_b,i,sh+k-low,sw+l-low.

    An input pixel p reaches output h through tap k where p = s h + k - low. So dx is dy, spread out by the stride,
    correlated with the weights turned around, padded so that place 0 of the result is pixel 0: kernel-1-low below.
    The weight gradient is summed within each image first: a contraction over all images at once runs on one core.
    """
    patches, (n, height, width, _) = saved
    k, s = layer.kernel, layer.stride
    rows = h.reshape(dy, (n, dy.shape[1] * dy.shape[2], layer.out_channels), "dy_rows")
    dw = h.sum(h.dot(patches, rows, ((1,), (1,)), ((0,), (0,)), "dw_images"), (0,), "dw_columns")
    dw = h.reshape(dw, (k, k, layer.in_channels, layer.out_channels), "dw_klio")
    h.grad("w", h.transpose(dw, (3, 2, 0, 1), "dw"))

    low, high = [0], [0]
    for size, places in ((height, dy.shape[1]), (width, dy.shape[2])):
        below = k - 1 - window_span(size, k, s, layer.padding)[1]
        low.append(below)
        high.append(size + k - 1 - below - ((places - 1) * s + 1))
    spread = h.pad(dy, 0.0, (*low, 0), (*high, 0), (0, s - 1, s - 1, 0), "dy_spread") if k > 1 or s > 1 else dy
    windows = _patches(h, spread, k, 1, (height, width))
    turned = h.reverse(h.param("w"), (2, 3), "w_turned") if k > 1 else h.param("w")
    w = h.reshape(h.transpose(turned, (2, 3, 0, 1), "w_kloi"), (windows.shape[2], layer.in_channels), "w_turned_columns")
    dx = h.dot(windows, w, ((2,), (0,)), name="dx_rows")
    return (h.reshape(dx, (n, height, width, layer.in_channels), "dx"),)
