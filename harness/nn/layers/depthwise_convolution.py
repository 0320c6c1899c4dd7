"""Convolution of every channel with its own kernel, without bias."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.nn.layers.convolution import Padding, jax_edges, window_span
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class DepthwiseConvolution(Layer):
    """y_chw = Σ_kl w_c0kl x_c,sh+k-low,sw+l-low.

    Shapes: x (B, channels, H, W), w (channels, 1, kernel, kernel), y (B, channels, H', W').
    Source: specs/README.md, Depthwise convolution.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: Padding = "SAME"
    kind: ClassVar[str] = "dw"

    def validate(self) -> None:
        for name in ("channels", "kernel", "stride"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")
        if self.padding not in ("SAME", "VALID"):
            raise SpecError(f'padding={self.padding!r}; it must be "SAME" or "VALID".')

    def params(self) -> tuple[Param, ...]:
        shape = (self.channels, 1, self.kernel, self.kernel)
        return (Param("w", shape, "he_normal", fan_in=self.kernel**2, decays=True),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3 or x[0] != self.channels:
            raise SpecError(f"the input has shape {dims(x)}, w was declared for images of {self.channels} channels.")
        return (x[0], *(window_span(n, self.kernel, self.stride, self.padding)[0] for n in x[1:]))


@reference_rule(DepthwiseConvolution)
def reference_depthwise(layer: DepthwiseConvolution, r: Reference, x: Array) -> Array:
    """A sum over taps, each times one weight a channel."""
    w, taps = r.param("w"), r.taps(x, layer.kernel, layer.stride, layer.padding)
    return sum(tap * w[:, 0, i // layer.kernel, i % layer.kernel] for i, tap in enumerate(taps))


@jax_rule(DepthwiseConvolution)
def jax_depthwise(layer: DepthwiseConvolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated with one group a channel."""
    edges = jax_edges(layer.kernel, j.conventions.pads(layer.padding, depthwise=True))
    return j.conv(x, j.param("w"), layer.stride, edges, groups=layer.channels)


def _span(layer: DepthwiseConvolution, h: HloBuilder, n: int) -> tuple[int, int, int]:
    return window_span(n, layer.kernel, layer.stride, h.conventions.pads(layer.padding, depthwise=True))


def _channels_last(h: HloBuilder, w: Value, name: str) -> Value:
    """Weights (C, 1, k, k) as (k, k, 1, C): channels last, like the image."""
    return h.transpose(w, (2, 3, 1, 0), name)


@hlo_forward(DepthwiseConvolution)
def hlo_depthwise(layer: DepthwiseConvolution, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """A convolution with one group a channel; backward needs x."""
    _, top, bottom = _span(layer, h, x.shape[1])
    _, left, right = _span(layer, h, x.shape[2])
    w, edges = _channels_last(h, h.param("w"), "w_hwic"), ((top, bottom), (left, right))
    return h.convolution(x, w, layer.stride, edges, "y", groups=layer.channels), x


@hlo_backward(DepthwiseConvolution)
def hlo_depthwise_backward(layer: DepthwiseConvolution, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """Pixel p is under tap k of place h where p = s h + k - low.

    So dw_ckl = Σ_bhw dy_bchw x_bc,sh+k-low,sw+l-low is the padded image correlated with dy as the kernel, its taps s
    apart, which fits at exactly k places; and dx is dy, spread out by the stride and padded by kernel-1-low below,
    correlated with the kernel turned around.
    """
    k, s = layer.kernel, layer.stride
    low, high, below, above = [], [], [], []
    for size, places in zip(x.shape[1:3], dy.shape[1:3], strict=True):
        before = _span(layer, h, size)[1]
        low.append(before)
        high.append((places - 1) * s + k - size - before)  # negative: pixels that no window reaches
        below.append(k - 1 - before)
        above.append(size + before - ((places - 1) * s + 1))
    h.grad("w", _weight_gradient(layer, h, h.pad(x, 0.0, (0, *low, 0), (0, *high, 0), name="x_padded"), dy))
    spread = h.pad(dy, 0.0, (0, *below, 0), (0, *above, 0), (0, s - 1, s - 1, 0), "dy_spread")
    turned = h.reverse(_channels_last(h, h.param("w"), "w_hwic_again"), (0, 1), "w_turned")
    return (h.convolution(spread, turned, 1, ((0, 0), (0, 0)), "dx", groups=layer.channels),)


def _weight_gradient(layer: DepthwiseConvolution, h: HloBuilder, padded: Value, dy: Value) -> Value:
    """All images side by side as channels of one, which keeps the sum of each to itself; the images are added last."""
    k, (n, rows, columns, channels) = layer.kernel, dy.shape
    _, height, width, _ = padded.shape
    wide = h.reshape(h.transpose(padded, (1, 2, 0, 3), "x_hwnc"), (1, height, width, n * channels), "x_wide")
    kernel = h.reshape(h.transpose(dy, (1, 2, 0, 3), "dy_hwnc"), (rows, columns, 1, n * channels), "dy_kernel")
    taps = h.convolution(wide, kernel, 1, ((0, 0), (0, 0)), "dw_wide", groups=n * channels, dilation=layer.stride)
    images = h.reshape(taps, (k, k, n, channels), "dw_images")
    dw = h.transpose(h.sum(images, (2,), "dw_hwc"), (2, 0, 1), "dw_chw")
    return h.reshape(dw, (channels, 1, k, k), "dw")
