"""Convolution without bias; Conv2d and ConvBn are made of it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Edges, Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims
from harness.spec.windows import Windows, pair


@dataclass(frozen=True)
class Convolution(Layer):
    """y_ohw = Σ_ikl w_oikl x_i,sh+dk-low,sw+dl-low: a cross-correlation, as is usual.

    In `groups`, an output sees the input channels of its group alone, i is counted inside it. `kernel`, `stride` and
    `dilation` are one number or two, for H and W.

    Shapes: x (B, in_channels, H, W), w (out_channels, in_channels/groups, kernel of H, of W), y (B, out_channels, H',
    W').
    Source: specs/README.md, Convolution.
    """

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair = 1
    padding: Padding = "SAME"
    dilation: Pair = field(default=1, metadata=SAID_OFF_DEFAULT)
    groups: int = field(default=1, metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "conv"

    @property
    def windows(self) -> Windows:
        """Where the kernel moves."""
        return Windows(self.kernel, self.stride, self.padding, self.dilation)

    def validate(self) -> None:
        for name in ("in_channels", "out_channels", "groups"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name}={getattr(self, name)}; it must be at least 1.")
        for name in ("in_channels", "out_channels"):
            if (channels := getattr(self, name)) % self.groups:
                raise SpecError(
                    f"groups={self.groups} does not divide {name}={channels}; it must divide both in_channels and "
                    "out_channels."
                )
        self.windows.validate("kernel")

    def params(self) -> tuple[Param, ...]:
        channels, (rows, columns) = self.in_channels // self.groups, pair(self.kernel)
        shape = (self.out_channels, channels, rows, columns)
        return (Param("w", shape, "he_normal", fan_in=channels * rows * columns, decays=True),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, a convolution needs an image (C, H, W).")
        if x[0] != self.in_channels:
            raise SpecError(
                f"the input has {x[0]} channels, w was declared for {self.in_channels}. Set in_channels={x[0]}."
            )
        return (self.out_channels, *self.windows.places(x[1:]))


@reference_rule(Convolution)
def reference_convolution(layer: Convolution, r: Reference, x: Array) -> Array:
    """A sum over taps, each with its own matrix of weights; group after group."""
    w, (_, columns) = r.param("w"), pair(layer.kernel)
    inputs, outputs = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    results = []
    for g in range(layer.groups):
        own, image = w[g * outputs : (g + 1) * outputs], x[..., g * inputs : (g + 1) * inputs]
        taps = r.taps(image, layer.kernel, layer.stride, layer.padding, layer.dilation)
        results.append(sum(tap @ own[:, :, i // columns, i % columns].T for i, tap in enumerate(taps)))
    return r.np.concatenate(results, -1)


@jax_rule(Convolution)
def jax_convolution(layer: Convolution, j: JaxBuilder, x: Expr) -> Expr:
    """lax.conv_general_dilated."""
    edges = jax_edges(layer.windows, j.conventions.pads(layer.padding))
    return j.conv(x, j.param("w"), layer.stride, edges, layer.groups, layer.dilation)


def jax_edges(windows: Windows, padding: Padding | Literal["SYMMETRIC"]) -> str | Edges:
    """Padding as lax takes it: by name, or the pixels below and above of both axes."""
    if padding == "SYMMETRIC":
        rows, columns = windows.reach
        return ((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)
    if isinstance(padding, str):
        return padding
    rows, columns = pair(padding)
    return (rows, rows), (columns, columns)


_AS_HWIO = """OIHW weights as HWIO, which the convolution wants.
Row by row: one transpose alone is computed again inside the convolution, at a fifth of its speed."""
_AS_HWOI = """OIHW weights turned by 180 degrees, as HWOI: in the gradient w.r.t. x, outputs are what is summed over.
Row by row: one transpose alone is computed again inside the convolution, at a fifth of its speed."""


def _hwio(h: HloBuilder, w: Value) -> Value:
    """OIHW weights as HWIO. Those of one pixel are a matrix, and the product reads a transposed one as it is."""
    out, channels, k, _ = w.shape
    if w.shape[2:] == (1, 1):
        matrix = h.transpose(h.reshape(w, (out, channels), "w_oi"), (1, 0), "w_io")
        return h.reshape(matrix, (1, 1, channels, out), "w_hwio")

    def relayout(h: HloBuilder, w: Value) -> list[Value]:
        rows = [h.transpose(_row(h, w, i), (2, 3, 1, 0), f"w_row{i}_hwio") for i in range(k)]
        return [h.concatenate(rows, 0, "w_hwio")]

    return h.call("relayout_hwio", _AS_HWIO, {"w": w}, relayout, ["w_hwio"])[0]


def _hwoi_turned(h: HloBuilder, w: Value, groups: int) -> Value:
    """OIHW weights turned by 180 degrees, as HWOI, where O is counted inside a group and I over all."""
    out, channels, k, columns = w.shape
    if (k, columns) == (1, 1):
        turned = h.reshape(w, (1, 1, out, channels), "w_hwoi")
    else:

        def relayout(h: HloBuilder, w: Value) -> list[Value]:
            rows = []
            for i in reversed(range(k)):
                row = h.reverse(_row(h, w, i), (3,), f"w_row{i}_turned")
                rows.append(h.transpose(row, (2, 3, 0, 1), f"w_row{i}_turned_hwoi"))
            return [h.concatenate(rows, 0, "w_turned_hwoi")]

        turned = h.call("relayout_turned_hwoi", _AS_HWOI, {"w": w}, relayout, ["w_turned_hwoi"])[0]
    if groups == 1:
        return turned
    apart = h.reshape(turned, (k, columns, groups, out // groups, channels), "w_turned_hwgoi")
    beside = h.transpose(apart, (0, 1, 3, 2, 4), "w_turned_hwogi")
    return h.reshape(beside, (k, columns, out // groups, groups * channels), "w_turned_groups")


def _row(h: HloBuilder, w: Value, i: int) -> Value:
    """Row i of the taps of OIHW weights."""
    out, channels, _, k = w.shape
    return h.slice(w, (0, 0, i, 0), (out, channels, i + 1, k), name=f"w_row{i}")


@hlo_forward(Convolution)
def hlo_convolution(layer: Convolution, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """The convolution itself; backward needs x."""
    w, edges = _hwio(h, h.param("w")), _padding(layer, h, x)
    image = _cropped(layer, h, x)
    return h.convolution(image, w, layer.stride, edges, "y", groups=layer.groups, dilation=layer.dilation), x


def _spans(layer: Convolution, h: HloBuilder, x: Value) -> list[tuple[int, int, int]]:
    return replace(layer.windows, padding=h.conventions.pads(layer.padding)).spans(x.shape[1:3])


def _cropped(layer: Convolution, h: HloBuilder, x: Value) -> Value:
    """x without what lies beyond the only place of a window: IREE 3.13 does not compile a rest there."""
    stop = list(x.shape)
    for axis, reach, (places, low, _) in zip((1, 2), layer.windows.reach, _spans(layer, h, x), strict=True):
        if places == 1:
            stop[axis] = min(x.shape[axis], reach - low)
    return x if tuple(stop) == x.shape else h.slice(x, (0, 0, 0, 0), tuple(stop), name="x_cropped")


def _padding(layer: Convolution, h: HloBuilder, x: Value) -> Edges:
    """(low, high) along H and along W of an NHWC image."""
    (_, top, bottom), (_, left, right) = _spans(layer, h, x)
    return (top, bottom), (left, right)


@hlo_backward(Convolution)
def hlo_convolution_backward(layer: Convolution, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """dw is linear in the windows: dw_oikl = Σ_bhw dy_bohw x_b,i,sh+dk-low,sw+dl-low, one product a row k of taps.

    An input pixel p reaches output h through tap k where p = s h + d k - low. So dx is dy, spread out by the stride,
    correlated with the weights turned around, their taps d apart, padded so that place 0 of the result is pixel 0: by
    what a window reaches less 1 and less low.
    """
    h.grad("w", _weight_gradient(layer, h, x, dy))
    down, across = pair(layer.stride)
    edges = []
    for size, reach, stride, (places, low, _) in zip(
        x.shape[1:3], layer.windows.reach, (down, across), _spans(layer, h, x), strict=True
    ):
        edges.append((reach - 1 - low, size + low - ((places - 1) * stride + 1)))
    (top, bottom), (left, right) = edges
    w, around = _hwoi_turned(h, h.param("w"), layer.groups), ((top, bottom), (left, right))
    if (down, across) == (1, 1):
        return (h.convolution(dy, w, 1, around, "dx", groups=layer.groups, dilation=layer.dilation),)
    # Padded here and not by the convolution: IREE 3.13 miscompiles a convolution that pads a spread-out image itself.
    spread = h.pad(dy, 0.0, (0, top, left, 0), (0, bottom, right, 0), (0, down - 1, across - 1, 0), "dy_spread")
    return (h.convolution(spread, w, 1, ((0, 0), (0, 0)), "dx", groups=layer.groups, dilation=layer.dilation),)


def _weight_gradient(layer: Convolution, h: HloBuilder, x: Value, dy: Value) -> Value:
    """Summed within each image first: a contraction over all images at once runs on one core.

    Such a contraction is the convolution of x with dy that has the channels for a batch, in groups with a
    batch_group_count. IREE 3.13 compiles it right, but on a CPU it takes several times as long as the products.
    """
    (taps_down, taps_across), (down, across) = pair(layer.kernel), pair(layer.stride)
    (dilated_down, dilated_across), groups, out = pair(layer.dilation), layer.groups, layer.out_channels
    n, rows, columns, _ = dy.shape
    (top, bottom), (left, right) = _padding(layer, h, x)
    if top or bottom or left or right:
        x = h.pad(x, 0.0, (0, top, left, 0), (0, bottom, right, 0), name="x_padded")
    height, channels = x.shape[1], x.shape[3]
    taps = []
    for m in range(taps_across):
        start = m * dilated_across
        stop = (n, height, start + (columns - 1) * across + 1, channels)
        taps.append(h.slice(x, (0, 0, start, 0), stop, (1, 1, across, 1), f"x_tap{m}"))
    # (B, H, W', kernel·C): beside every place the pixels of one row of taps.
    windows = h.concatenate(taps, 3, "x_taps") if taps_across > 1 else taps[0]
    dy_rows = h.reshape(dy, (n, rows * columns, out), "dy_rows")
    parts = []
    for i in range(taps_down):
        start = i * dilated_down
        stop = (n, start + (rows - 1) * down + 1, columns, taps_across * channels)
        row = h.slice(windows, (0, start, 0, 0), stop, (1, down, 1, 1), f"x_row{i}")
        row = h.reshape(row, (n, rows * columns, taps_across * channels), f"x_row{i}_flat")
        product = _product if groups == 1 else _product_of_groups
        parts.append(product(layer, h, row, dy_rows, f"dw_row{i}"))
    dw = h.concatenate(parts, 0, "dw_rows") if taps_down > 1 else parts[0]
    dw = h.reshape(dw, (taps_down, taps_across, channels // groups, out), "dw_hwio")
    return h.transpose(dw, (3, 2, 0, 1), "dw")


def _product(layer: Convolution, h: HloBuilder, row: Value, dy: Value, name: str) -> Value:
    """Gradient of one row of taps. Shapes: row (B, H'·W', kernel·C), dy (B, H'·W', out), result (1, kernel·C, out)."""
    images = h.dot(row, dy, ((1,), (1,)), ((0,), (0,)), f"{name}_images")
    return h.reshape(h.sum(images, (0,), name), (1, row.shape[2], dy.shape[2]), f"{name}_slab")


def _product_of_groups(layer: Convolution, h: HloBuilder, row: Value, dy: Value, name: str) -> Value:
    """The same, each group by itself: C in the result is that of one group."""
    (n, places, out), groups, (_, taps) = dy.shape, layer.groups, pair(layer.kernel)
    channels = layer.in_channels // groups
    x = h.reshape(row, (n, places, taps, groups, channels), f"{name}_x_groups")
    dy = h.reshape(dy, (n, places, groups, out // groups), f"{name}_dy_groups")
    images = h.dot(x, dy, ((1,), (1,)), ((0, 3), (0, 2)), f"{name}_images")
    turned = h.transpose(h.sum(images, (0,), name), (1, 2, 0, 3), f"{name}_tigo")
    return h.reshape(turned, (1, taps * channels, out), f"{name}_slab")
