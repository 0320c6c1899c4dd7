"""Convolution without bias; Conv2d and ConvBn are made of it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Edges, Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims

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


@reference_rule(Convolution)
def reference_convolution(layer: Convolution, r: Reference, x: Array) -> Array:
    """A sum over taps, each with its own matrix of weights."""
    w, taps = r.param("w"), r.taps(x, layer.kernel, layer.stride, layer.padding)
    return sum(tap @ w[:, :, i // layer.kernel, i % layer.kernel].T for i, tap in enumerate(taps))


def window_span(n: int, window: int, stride: int, padding: str) -> tuple[int, int, int]:
    """Places of a window along an axis of n: (number of places, padding below, padding above).

    SYMMETRIC padding below is what SAME has at stride 1, above as much as the last place reaches.

    Raises: SpecError when the window finds no place.
    Source: specs/README.md, Padding.
    """
    if padding == "VALID":
        if n < window:
            raise SpecError(f"a window of {window} does not fit into {n} pixels. Use SAME padding or a smaller window.")
        return (n - window) // stride + 1, 0, 0
    places = -(-n // stride)
    if padding == "SYMMETRIC":
        low = (window - 1) // 2
        return places, low, max(0, (places - 1) * stride + window - n - low)
    total = max(0, (places - 1) * stride + window - n)
    return places, total // 2, total - total // 2


@jax_rule(Convolution)
def jax_convolution(layer: Convolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated."""
    return j.conv(x, j.param("w"), layer.stride, jax_edges(layer.kernel, j.conventions.pads(layer.padding)))


def jax_edges(kernel: int, padding: str) -> str | Edges:
    """Padding as lax takes it: by name, or the pixels below and above of both axes."""
    both = (kernel - 1) // 2, kernel // 2
    return (both, both) if padding == "SYMMETRIC" else padding


_AS_HWIO = """OIHW weights as HWIO, which the convolution wants.
Row by row: one transpose alone is computed again inside the convolution, at a fifth of its speed."""
_AS_HWOI = """OIHW weights turned by 180 degrees, as HWOI: in the gradient w.r.t. x, outputs are what is summed over.
Row by row: one transpose alone is computed again inside the convolution, at a fifth of its speed."""


def _hwio(h: HloBuilder, w: Value) -> Value:
    """OIHW weights as HWIO. Those of one pixel are a matrix, and the product reads a transposed one as it is."""
    out, channels, k, _ = w.shape
    if k == 1:
        matrix = h.transpose(h.reshape(w, (out, channels), "w_oi"), (1, 0), "w_io")
        return h.reshape(matrix, (1, 1, channels, out), "w_hwio")

    def relayout(h: HloBuilder, w: Value) -> list[Value]:
        rows = [h.transpose(_row(h, w, i), (2, 3, 1, 0), f"w_row{i}_hwio") for i in range(k)]
        return [h.concatenate(rows, 0, "w_hwio")]

    return h.call("relayout_hwio", _AS_HWIO, {"w": w}, relayout, ["w_hwio"])[0]


def _hwoi_turned(h: HloBuilder, w: Value) -> Value:
    """OIHW weights turned by 180 degrees, as HWOI."""
    out, channels, k, _ = w.shape
    if k == 1:
        return h.reshape(w, (1, 1, out, channels), "w_hwoi")

    def relayout(h: HloBuilder, w: Value) -> list[Value]:
        rows = []
        for i in reversed(range(k)):
            turned = h.reverse(_row(h, w, i), (3,), f"w_row{i}_turned")
            rows.append(h.transpose(turned, (2, 3, 0, 1), f"w_row{i}_turned_hwoi"))
        return [h.concatenate(rows, 0, "w_turned_hwoi")]

    return h.call("relayout_turned_hwoi", _AS_HWOI, {"w": w}, relayout, ["w_turned_hwoi"])[0]


def _row(h: HloBuilder, w: Value, i: int) -> Value:
    """Row i of the taps of OIHW weights."""
    out, channels, _, k = w.shape
    return h.slice(w, (0, 0, i, 0), (out, channels, i + 1, k), name=f"w_row{i}")


@hlo_forward(Convolution)
def hlo_convolution(layer: Convolution, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """The convolution itself; backward needs x."""
    w = _hwio(h, h.param("w"))
    return h.convolution(_cropped(layer, h, x), w, layer.stride, _padding(layer, h, x), "y"), x


def _cropped(layer: Convolution, h: HloBuilder, x: Value) -> Value:
    """x without what lies beyond the only place of a window: IREE 3.13 does not compile a rest there."""
    stop = list(x.shape)
    for axis in (1, 2):
        places, _, _ = _span(layer, h, x.shape[axis])
        if places == 1:
            stop[axis] = min(x.shape[axis], layer.kernel)
    return x if tuple(stop) == x.shape else h.slice(x, (0, 0, 0, 0), tuple(stop), name="x_cropped")


def _span(layer: Convolution, h: HloBuilder, n: int) -> tuple[int, int, int]:
    return window_span(n, layer.kernel, layer.stride, h.conventions.pads(layer.padding))


def _padding(layer: Convolution, h: HloBuilder, x: Value) -> Edges:
    """(low, high) along H and along W of an NHWC image."""
    _, top, bottom = _span(layer, h, x.shape[1])
    _, left, right = _span(layer, h, x.shape[2])
    return (top, bottom), (left, right)


@hlo_backward(Convolution)
def hlo_convolution_backward(layer: Convolution, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """dw is linear in the windows: dw_oikl = Σ_bhw dy_bohw x_b,i,sh+k-low,sw+l-low, one matrix product a row k of taps.

    An input pixel p reaches output h through tap k where p = s h + k - low. So dx is dy, spread out by the stride,
    correlated with the weights turned around, padded so that place 0 of the result is pixel 0: kernel-1-low below.
    """
    h.grad("w", _weight_gradient(layer, h, x, dy))
    k, s = layer.kernel, layer.stride
    edges = []
    for size, places, (low, _) in zip(x.shape[1:3], dy.shape[1:3], _padding(layer, h, x), strict=True):
        below = k - 1 - low
        edges.append((below, size + k - 1 - below - ((places - 1) * s + 1)))
    w = _hwoi_turned(h, h.param("w"))
    if s == 1:
        return (h.convolution(dy, w, 1, (edges[0], edges[1]), "dx"),)
    # Padded here and not by the convolution: IREE 3.13 miscompiles a convolution that pads a spread-out image itself.
    (top, bottom), (left, right) = edges
    spread = h.pad(dy, 0.0, (0, top, left, 0), (0, bottom, right, 0), (0, s - 1, s - 1, 0), "dy_spread")
    return (h.convolution(spread, w, 1, ((0, 0), (0, 0)), "dx"),)


def _weight_gradient(layer: Convolution, h: HloBuilder, x: Value, dy: Value) -> Value:
    """Summed within each image first: a contraction over all images at once runs on one core."""
    k, s, out = layer.kernel, layer.stride, layer.out_channels
    n, rows, columns, _ = dy.shape
    (top, bottom), (left, right) = _padding(layer, h, x)
    if top or bottom or left or right:
        x = h.pad(x, 0.0, (0, top, left, 0), (0, bottom, right, 0), name="x_padded")
    height, channels = x.shape[1], x.shape[3]
    across = (columns - 1) * s + 1
    taps = [h.slice(x, (0, 0, m, 0), (n, height, m + across, channels), (1, 1, s, 1), f"x_tap{m}") for m in range(k)]
    # (B, H, W', kernel·C): beside every place the pixels of one row of taps.
    windows = h.concatenate(taps, 3, "x_taps") if k > 1 else taps[0]
    dy_rows = h.reshape(dy, (n, rows * columns, out), "dy_rows")
    parts = []
    for i in range(k):
        stop = (n, i + (rows - 1) * s + 1, columns, k * channels)
        row = h.slice(windows, (0, i, 0, 0), stop, (1, s, 1, 1), f"x_row{i}")
        row = h.reshape(row, (n, rows * columns, k * channels), f"x_row{i}_flat")
        images = h.dot(row, dy_rows, ((1,), (1,)), ((0,), (0,)), f"dw_row{i}_images")
        parts.append(h.reshape(h.sum(images, (0,), f"dw_row{i}"), (1, k * channels, out), f"dw_row{i}_slab"))
    dw = h.concatenate(parts, 0, "dw_rows") if k > 1 else parts[0]
    return h.transpose(h.reshape(dw, (k, k, channels, out), "dw_hwio"), (3, 2, 0, 1), "dw")
