"""Convolution of every channel with its own kernel, without bias."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.layers.convolution import Padding, window_span
from harness.rules import hlo_backward, hlo_forward, jax_rule
from harness.shapes import dims
from harness.spec import Layer, Param, Shape


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


@jax_rule(DepthwiseConvolution)
def jax_depthwise(layer: DepthwiseConvolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated with one group a channel."""
    return j.conv(x, j.param("w"), layer.stride, layer.padding, groups=layer.channels)


def _weighted_taps(h: HloBuilder, x: Value, w: list[Value], kernel: int, stride: int, places: Shape) -> Value:
    """Σ over the taps of a padded NHWC image, each times its weight a channel; `w` row-major."""
    n, _, _, channels = x.shape
    total = None
    for i, tap in enumerate(_taps(h, x, kernel, stride, places)):
        part = h.mul(tap, h.broadcast(w[i], (n, *places, channels), (3,), f"w{i}_pixels"), f"part{i}")
        total = part if total is None else h.add(total, part, f"sum{i}")
    assert total is not None
    return total


def _taps(h: HloBuilder, x: Value, kernel: int, stride: int, places: Shape) -> list[Value]:
    n, _, _, channels = x.shape
    (rows, columns), s = places, stride
    return [
        h.slice(
            x,
            (0, k, m, 0),
            (n, k + (rows - 1) * s + 1, m + (columns - 1) * s + 1, channels),
            (1, s, s, 1),
            f"tap{k}{m}",
        )
        for k in range(kernel)
        for m in range(kernel)
    ]


def _weights(h: HloBuilder) -> list[Value]:
    """The kernel's elements, each a vector (channels,), row-major."""
    w = h.param("w")
    channels, _, height, width = w.shape
    return [
        h.reshape(h.slice(w, (0, 0, k, m), (channels, 1, k + 1, m + 1), name=f"w{k}{m}"), (channels,))
        for k in range(height)
        for m in range(width)
    ]


@hlo_forward(DepthwiseConvolution)
def hlo_depthwise(layer: DepthwiseConvolution, h: HloBuilder, x: Value) -> tuple[Value, tuple[Value, Shape]]:
    """One product a tap, which every target vectorises over channels; backward needs the padded image."""
    rows, top, bottom = window_span(x.shape[1], layer.kernel, layer.stride, layer.padding)
    columns, left, right = window_span(x.shape[2], layer.kernel, layer.stride, layer.padding)
    padded = x
    if top or bottom or left or right:
        padded = h.pad(x, 0.0, (0, top, left, 0), (0, bottom, right, 0), name="padded")
    return _weighted_taps(h, padded, _weights(h), layer.kernel, layer.stride, (rows, columns)), (padded, x.shape)


@hlo_backward(DepthwiseConvolution)
def hlo_depthwise_backward(
    layer: DepthwiseConvolution, h: HloBuilder, saved: tuple[Value, Shape], dy: Value
) -> tuple[Value]:
    """dw_kl = Σ_bhw dy x_tap(k,l), within images first.

    Pixel p is under tap k of place h where p = s h + k - low: dx is dy, spread out by the stride and padded by
    kernel-1-low below, correlated with the kernel turned around.
    """
    padded, (_, height, width, channels) = saved
    k, s = layer.kernel, layer.stride
    parts = []
    for i, tap in enumerate(_taps(h, padded, k, s, dy.shape[1:3])):
        images = h.sum(h.mul(tap, dy, f"dy_tap{i}"), (1, 2), f"dw{i}_images")
        parts.append(h.reshape(h.sum(images, (0,), f"dw{i}"), (1, channels)))
    dw = h.concatenate(parts, 0, "dw_taps") if len(parts) > 1 else parts[0]
    h.grad("w", h.reshape(h.transpose(dw, (1, 0), "dw_channels"), (channels, 1, k, k), "dw"))
    low, high = [0], [0]
    for size, places in ((height, dy.shape[1]), (width, dy.shape[2])):
        below = k - 1 - window_span(size, k, s, layer.padding)[1]
        low.append(below)
        high.append(size + k - 1 - below - ((places - 1) * s + 1))
    spread = h.pad(dy, 0.0, (*low, 0), (*high, 0), (0, s - 1, s - 1, 0), "dy_spread")
    return (_weighted_taps(h, spread, _weights(h)[::-1], k, 1, (height, width)),)
