"""Convolution of every channel with its own kernel, without bias."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.nn.layers.convolution import jax_edges
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims
from harness.spec.windows import Windows, pair


@dataclass(frozen=True)
class DepthwiseConvolution(Layer):
    """y_chw = Σ_kl w_c0kl x_c,sh+dk-low,sw+dl-low.

    `kernel`, `stride` and `dilation` are one number or two, for H and W.

    Shapes: x (B, channels, H, W), w (channels, 1, kernel of H, of W), y (B, channels, H', W').
    Source: specs/README.md, Depthwise convolution.
    """

    channels: int
    kernel: Pair = 3
    stride: Pair = 1
    padding: Padding = "SAME"
    dilation: Pair = field(default=1, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "dw"

    @property
    def windows(self) -> Windows:
        """Where the kernel moves."""
        return Windows(self.kernel, self.stride, self.padding, self.dilation)

    def validate(self) -> None:
        if self.channels < 1:
            raise SpecError(f"channels={self.channels}; it must be at least 1.")
        self.windows.validate("kernel")

    def params(self) -> tuple[Param, ...]:
        rows, columns = pair(self.kernel)
        return (Param("w", (self.channels, 1, rows, columns), "he_normal", fan_in=rows * columns, decays=True),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.channels:
            raise SpecError(f"the input has shape {dims(x)}, w was declared for images of {self.channels} channels.")
        return (x[0], *self.windows.places(x[1:]))


@reference_rule(DepthwiseConvolution)
def reference_depthwise(layer: DepthwiseConvolution, r: Reference, x: Array) -> Array:
    """A sum over taps, each times one weight a channel."""
    w, (_, columns) = r.param("w"), pair(layer.kernel)
    taps = r.taps(x, layer.kernel, layer.stride, layer.padding, layer.dilation)
    return sum(tap * w[:, 0, i // columns, i % columns] for i, tap in enumerate(taps))


@jax_rule(DepthwiseConvolution)
def jax_depthwise(layer: DepthwiseConvolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated with one group a channel."""
    edges = jax_edges(layer.windows, j.conventions.pads(layer.padding, depthwise=True))
    return j.conv(x, j.param("w"), layer.stride, edges, layer.channels, layer.dilation)


def _spans(layer: DepthwiseConvolution, h: HloBuilder, x: Value) -> list[tuple[int, int, int]]:
    padding = h.conventions.pads(layer.padding, depthwise=True)
    return replace(layer.windows, padding=padding).spans(x.shape[1:3])


def _channels_last(h: HloBuilder, w: Value, name: str) -> Value:
    """Weights (C, 1, k, l) as (k, l, 1, C): channels last, like the image."""
    return h.transpose(w, (2, 3, 1, 0), name)


@hlo_forward(DepthwiseConvolution)
def hlo_depthwise(layer: DepthwiseConvolution, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """A convolution with one group a channel; backward needs x."""
    (_, top, bottom), (_, left, right) = _spans(layer, h, x)
    w, edges = _channels_last(h, h.param("w"), "w_hwic"), ((top, bottom), (left, right))
    return h.convolution(x, w, layer.stride, edges, "y", groups=layer.channels, dilation=layer.dilation), x


@hlo_backward(DepthwiseConvolution)
def hlo_depthwise_backward(layer: DepthwiseConvolution, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """Pixel p is under tap k of place h where p = s h + d k - low.

    So dw_ckl = Σ_bhw dy_bchw x_bc,sh+dk-low,sw+dl-low is the padded image correlated with dy as the kernel, its taps s
    apart and its places d, which fits at exactly k places; and dx is dy, spread out by the stride and padded below by
    what a window reaches less 1 and less low, correlated with the kernel turned around, its taps d apart.
    """
    strides = pair(layer.stride)
    low, high, below, above = [], [], [], []
    for size, s, reach, (places, before, _) in zip(
        x.shape[1:3], strides, layer.windows.reach, _spans(layer, h, x), strict=True
    ):
        low.append(before)
        high.append((places - 1) * s + reach - size - before)  # negative: pixels that no window reaches
        below.append(reach - 1 - before)
        above.append(size + before - ((places - 1) * s + 1))
    h.grad("w", _weight_gradient(layer, h, h.pad(x, 0.0, (0, *low, 0), (0, *high, 0), name="x_padded"), dy))
    gaps = (0, strides[0] - 1, strides[1] - 1, 0)
    spread = h.pad(dy, 0.0, (0, *below, 0), (0, *above, 0), gaps, "dy_spread")
    turned = h.reverse(_channels_last(h, h.param("w"), "w_hwic_again"), (0, 1), "w_turned")
    none = ((0, 0), (0, 0))
    return (h.convolution(spread, turned, 1, none, "dx", groups=layer.channels, dilation=layer.dilation),)


def _weight_gradient(layer: DepthwiseConvolution, h: HloBuilder, padded: Value, dy: Value) -> Value:
    """All images side by side as channels of one, which keeps the sum of each to itself; the images are added last."""
    (n, rows, columns, channels), (_, height, width, _) = dy.shape, padded.shape
    wide = h.reshape(h.transpose(padded, (1, 2, 0, 3), "x_hwnc"), (1, height, width, n * channels), "x_wide")
    kernel = h.reshape(h.transpose(dy, (1, 2, 0, 3), "dy_hwnc"), (rows, columns, 1, n * channels), "dy_kernel")
    none, groups = ((0, 0), (0, 0)), n * channels
    taps = h.convolution(wide, kernel, layer.dilation, none, "dw_wide", groups=groups, dilation=layer.stride)
    images = h.reshape(taps, (*pair(layer.kernel), n, channels), "dw_images")
    dw = h.transpose(h.sum(images, (2,), "dw_hwc"), (2, 0, 1), "dw_chw")
    return h.reshape(dw, (channels, 1, *pair(layer.kernel)), "dw")
