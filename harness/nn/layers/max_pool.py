"""Maximum over windows."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.nn.layers.convolution import jax_edges
from harness.spec.fields import SAID_OFF_DEFAULT, Padding, Pair
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims
from harness.spec.windows import Windows, pair


@dataclass(frozen=True)
class MaxPool(Layer):
    """y_chw = max of x_c over the window at (stride h, stride w); outside x is -inf.

    Of several equal maxima the first in row-major order gets the gradient; by convention each of them, the whole.
    `window` and `stride` are one number or two, for H and W.

    Shapes: x (B, C, H, W), y (B, C, H', W').
    Source: specs/README.md, Pooling.
    """

    window: Pair = 2
    stride: Pair = 2
    padding: Padding = field(default="SAME", metadata=SAID_OFF_DEFAULT)
    kind: ClassVar[str] = "pool"

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


@reference_rule(MaxPool)
def reference_max_pool(layer: MaxPool, r: Reference, x: Array) -> Array:
    """The tap that argmax names, which is the first of the greatest."""
    taps = r.taps(x, layer.window, layer.stride, layer.padding, outside=-math.inf)
    first, y = r.np.argmax(r.np.stack(taps), 0), taps[0]
    for i, tap in enumerate(taps):
        y = r.np.where(first == i, tap, y)
    return y


@jax_rule(MaxPool)
def jax_max_pool(layer: MaxPool, j: JaxBuilder, x: Expr) -> Expr:
    """lax.reduce_window with max, or all taps beside each other where equal ones share the gradient."""
    edges = jax_edges(layer.windows, layer.padding)
    if j.conventions.pool_ties == "first":
        return j.window_max(x, layer.window, layer.stride, edges)
    doc = "Maximum over the first axis; every element that equals it gets the whole gradient."
    taps = j.let(j.local("taps"), j.window_taps(x, layer.window, layer.stride, edges))
    return j.call("max_of_all", doc, ("taps",), _jax_max_of_all, taps)


def _jax_max_of_all(j: JaxBuilder, taps: Expr) -> tuple[Expr, ...]:
    """A tap minus itself as a constant is zero, with derivative one; it is added where the tap is the greatest."""
    taps = j.let("taps", j.barrier(taps))
    fixed = j.let("fixed", j.stop_gradient(taps))
    top = j.let("top", j.max(fixed, 0))
    moves = j.let("moves", j.where(j.equal(fixed, top), j.sub(taps, fixed), 0.0))
    return (j.add(top, j.sum(moves, 0)),)


@dataclass(frozen=True)
class _SavedMaxPool:
    takes: tuple[Value, ...]
    x_shape: Shape


@hlo_forward(MaxPool)
def hlo_max_pool(layer: MaxPool, h: HloBuilder, x: Value) -> tuple[Value, _SavedMaxPool]:
    """The maximum over the taps; backward needs, for each tap, where it takes the gradient.

    Taps are compared with each other and never with the maximum: the compiler may compute x twice, rounded differently,
    and the taps of one copy then don't equal the maximum of the other.
    """
    n, height, width, channels = x_shape = x.shape
    (rows, top, bottom), (columns, left, right) = layer.windows.spans((height, width))
    if top or bottom or left or right:
        x = h.pad(x, float("-inf"), (0, top, left, 0), (0, bottom, right, 0), name="x_padded")
    (taps_down, taps_across), (down, across) = pair(layer.window), pair(layer.stride)
    taps = [
        h.slice(
            x,
            (0, k, m, 0),
            (n, k + (rows - 1) * down + 1, m + (columns - 1) * across + 1, channels),
            (1, down, across, 1),
            f"tap{k}{m}",
        )
        for k in range(taps_down)
        for m in range(taps_across)
    ]
    y = taps[0]
    for i, tap in enumerate(taps[1:], 1):
        y = h.maximum(y, tap, "y" if i == len(taps) - 1 else f"greatest_to_tap{i}")
    return y, _SavedMaxPool(
        _takes_first(h, taps) if h.conventions.pool_ties == "first" else _takes_all(h, taps), x_shape
    )


def _takes_first(h: HloBuilder, taps: list[Value]) -> tuple[Value, ...]:
    """Where each tap is the first of the greatest: by its index, kept while going through the taps."""
    index = [h.constant(Named(i, f"tap{i}"), tap.shape, "i32") for i, tap in enumerate(taps)]
    best, first = taps[0], index[0]
    for i, tap in enumerate(taps[1:], 1):
        greater = h.compare("GT", tap, best, f"greater{i}")
        first = h.select(greater, index[i], first, f"first{i}")
        best = h.select(greater, tap, best, f"best{i}")
    return tuple(h.compare("EQ", first, number, f"takes{i}") for i, number in enumerate(index))


def _takes_all(h: HloBuilder, taps: list[Value]) -> tuple[Value, ...]:
    """Where no other tap is greater than this one."""
    takes = []
    for i, tap in enumerate(taps):
        mine = None
        for j, other in enumerate(taps):
            if i != j:
                at_least = h.compare("GE", tap, other, f"tap{i}_ge_{j}")
                mine = at_least if mine is None else h.logical_and(mine, at_least, f"tap{i}_ge_to_{j}")
        takes.append(mine or h.compare("EQ", tap, tap, f"takes{i}"))
    return tuple(takes)


@hlo_backward(MaxPool)
def hlo_max_pool_backward(layer: MaxPool, h: HloBuilder, saved: _SavedMaxPool, dy: Value) -> tuple[Value]:
    """The tap that gave the maximum gets dy. Windows that overlap add up.

    Tap (k, l) of place h is pixel s h + k - low: what it takes is spread out by the stride and moved by k - low.
    """
    n, height, width, channels = saved.x_shape
    window, (down, across) = pair(layer.window), pair(layer.stride)
    (rows, top, _), (columns, left, _) = layer.windows.spans((height, width))
    parts = [h.select(takes, dy, 0.0, f"dtap{i}") for i, takes in enumerate(saved.takes)]
    if window == (down, across) and (height, width) == (rows * down, columns * across) and not (top or left):
        # Windows tile the image: the parts interleave and nothing needs adding.
        cell = n, rows, 1, columns, 1, channels
        cells = [h.reshape(part, cell, f"dtap{i}_cell") for i, part in enumerate(parts)]
        of_rows = [h.concatenate(cells[k * across : (k + 1) * across], 4, f"dx_row{k}") for k in range(down)]
        return (h.reshape(h.concatenate(of_rows, 2, "dx_cells"), saved.x_shape, "dx"),)
    dx = None
    for i, part in enumerate(parts):
        k, m = divmod(i, window[1])
        low = (0, k - top, m - left, 0)
        high = tuple(
            size - shift - ((places - 1) * stride + 1)
            for size, shift, places, stride in ((height, k - top, rows, down), (width, m - left, columns, across))
        )
        placed = h.pad(part, 0.0, low, (0, *high, 0), (0, down - 1, across - 1, 0), f"dtap{i}_pixels")
        dx = placed if dx is None else h.add(dx, placed, "dx" if i == len(parts) - 1 else f"dx_to_tap{i}")
    assert dx is not None
    return (dx,)
