"""Mean over windows."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.nn.layers.convolution import jax_edges
from harness.spec.fields import Padding, Pair
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims
from harness.spec.windows import Windows, pair


@dataclass(frozen=True)
class AvgPool(Layer):
    """y_chw = sum of x_c over the window at (stride h, stride w), divided by the pixels of the window.

    Outside x is 0. With `count_include_pad` the pixels outside count as well, without it those of x alone. `window` and
    `stride` are one number or two, for H and W.

    Shapes: x (B, C, H, W), y (B, C, H', W').
    Source: specs/README.md, Pooling.
    """

    window: Pair = 2
    stride: Pair = 2
    padding: Padding = "SAME"
    count_include_pad: bool = True
    kind: ClassVar[str] = "avgpool"

    @property
    def windows(self) -> Windows:
        """Where the window moves."""
        return Windows(self.window, self.stride, self.padding)

    def validate(self) -> None:
        self.windows.validate("window")

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, pooling needs an image (C, H, W).")
        return (x[0], *self.windows.places(x[1:]))


@reference_rule(AvgPool)
def reference_avg_pool(layer: AvgPool, r: Reference, x: Array) -> Array:
    """The sum of the taps by their number, or by that of those inside the image."""
    how = layer.window, layer.stride, layer.padding
    taps, inside = r.taps(x, *how), r.taps(r.np.ones((1, *x.shape[1:3], 1)), *how)
    return sum(taps) / (len(taps) if layer.count_include_pad else sum(inside))


@jax_rule(AvgPool)
def jax_avg_pool(layer: AvgPool, j: JaxBuilder, x: Expr) -> Expr:
    """lax.reduce_window with add, by a constant or by the same of ones."""
    edges = jax_edges(layer.windows, layer.padding)
    return j.window_mean(x, layer.window, layer.stride, edges, count_include_pad=layer.count_include_pad)


def _window_sum(h: HloBuilder, x: Value, window: tuple[int, int], strides: tuple[int, int], name: str) -> Value:
    """Sum over windows that lie inside x (B, H, W, C): over their rows, then over what is left of them in each row."""
    for axis, size, stride, part in ((1, window[0], strides[0], "rows"), (2, window[1], strides[1], "columns")):
        reached = (x.shape[axis] - size) // stride * stride + 1
        total = None
        for k in range(size):
            start, stop, steps = [0] * 4, list(x.shape), [1] * 4
            start[axis], stop[axis], steps[axis] = k, k + reached, stride
            tap = h.slice(x, tuple(start), tuple(stop), tuple(steps), f"{name}_{part}_tap{k}")
            total = tap if total is None else h.add(total, tap, f"{name}_{part}_to_tap{k}")
        assert total is not None
        x = total
    return x


def _sum_by_layer(layer: AvgPool, h: HloBuilder, x: Value, name: str) -> Value:
    """Sum over the layer's windows of x (B, H, W, C), which is 0 outside."""
    (_, top, bottom), (_, left, right) = layer.windows.spans(x.shape[1:3])
    if top or bottom or left or right:
        x = h.pad(x, 0.0, (0, top, left, 0), (0, bottom, right, 0), name=f"{name}_padded")
    return _window_sum(h, x, pair(layer.window), pair(layer.stride), name)


def _share(layer: AvgPool, h: HloBuilder, total: Value, sizes: Shape, name: str) -> Value:
    """`total` (B, H', W', C) divided by the pixels that count in each window. `sizes`: H and W of the image."""
    rows, columns = pair(layer.window)
    if layer.count_include_pad or all(low == high == 0 for _, low, high in layer.windows.spans(sizes)):
        return h.div(total, Named(rows * columns, "window_pixels"), name)
    counts = _sum_by_layer(layer, h, h.constant(1.0, (1, *sizes, 1)), f"{name}_ones")
    counts = h.reshape(counts, total.shape[1:3], f"{name}_counts")
    return h.div(total, h.broadcast(counts, total.shape, (1, 2), f"{name}_counts_of_all"), name)


@hlo_forward(AvgPool)
def hlo_avg_pool(layer: AvgPool, h: HloBuilder, x: Value) -> tuple[Value, Shape]:
    """The sum over each window, divided; backward needs the shape."""
    return _share(layer, h, _sum_by_layer(layer, h, x, "total"), x.shape[1:3], "y"), x.shape


@hlo_backward(AvgPool)
def hlo_avg_pool_backward(layer: AvgPool, h: HloBuilder, shape: Shape, dy: Value) -> tuple[Value]:
    """A pixel gets dy/count of each window that it is in: those at (p + low - k)/stride for every k where it is whole.

    So dx is the sum over windows, at stride 1, of dy/count spread out by the stride, with window-1-low zeros below.
    """
    sizes, window, strides = shape[1:3], pair(layer.window), pair(layer.stride)
    share = _share(layer, h, dy, sizes, "dy_share")
    below, above = [], []
    for n, size, stride, (places, low, _) in zip(sizes, window, strides, layer.windows.spans(sizes), strict=True):
        below.append(size - 1 - low)
        above.append(n + low - ((places - 1) * stride + 1))
    gaps = (0, strides[0] - 1, strides[1] - 1, 0)
    spread = h.pad(share, 0.0, (0, *below, 0), (0, *above, 0), gaps, "dy_spread")
    return (_window_sum(h, spread, window, (1, 1), "dx"),)
