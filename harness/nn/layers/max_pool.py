"""Maximum over windows."""

import math
from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.nn.layers.convolution import window_span
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class MaxPool(Layer):
    """y_chw = max of x_c over the window at (stride h, stride w), SAME padding with -inf.

    Of several equal maxima the first in row-major order gets the gradient; by convention each of them, the whole.

    Shapes: x (B, C, H, W), y (B, C, ceil(H/stride), ceil(W/stride)).
    Source: specs/README.md, Pooling.
    """

    window: int = 2
    stride: int = 2
    kind: ClassVar[str] = "pool"

    def validate(self) -> None:
        if self.window < 1 or self.stride < 1:
            raise SpecError(f"window={self.window}, stride={self.stride}; both must be at least 1.")

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, pooling needs an image (C, H, W).")
        return (x[0], *(window_span(n, self.window, self.stride, "SAME")[0] for n in x[1:]))


@reference_rule(MaxPool)
def reference_max_pool(layer: MaxPool, r: Reference, x: Array) -> Array:
    """The tap that argmax names, which is the first of the greatest."""
    taps = r.taps(x, layer.window, layer.stride, "SAME", outside=-math.inf)
    first, y = r.np.argmax(r.np.stack(taps), 0), taps[0]
    for i, tap in enumerate(taps):
        y = r.np.where(first == i, tap, y)
    return y


@jax_rule(MaxPool)
def jax_max_pool(layer: MaxPool, j: JaxBuilder, x: Expr) -> Expr:
    """lax.reduce_window with max, or all taps beside each other where equal ones share the gradient."""
    if j.conventions.pool_ties == "first":
        return j.window_max(x, layer.window, layer.stride, "SAME")
    doc = "Maximum over the first axis; every element that equals it gets the whole gradient."
    taps = j.let(j.local("taps"), j.window_taps(x, layer.window, layer.stride))
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
    rows, top, bottom = window_span(height, layer.window, layer.stride, "SAME")
    columns, left, right = window_span(width, layer.window, layer.stride, "SAME")
    if top or bottom or left or right:
        x = h.pad(x, float("-inf"), (0, top, left, 0), (0, bottom, right, 0), name="x_padded")
    s = layer.stride
    taps = [
        h.slice(
            x,
            (0, k, m, 0),
            (n, k + (rows - 1) * s + 1, m + (columns - 1) * s + 1, channels),
            (1, s, s, 1),
            f"tap{k}{m}",
        )
        for k in range(layer.window)
        for m in range(layer.window)
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
    s = layer.stride
    _, top, _ = window_span(height, layer.window, s, "SAME")
    _, left, _ = window_span(width, layer.window, s, "SAME")
    parts = [h.select(takes, dy, 0.0, f"dtap{i}") for i, takes in enumerate(saved.takes)]
    if layer.window == s and (height, width) == (dy.shape[1] * s, dy.shape[2] * s):
        # Windows tile the image: the parts interleave and nothing needs adding.
        cell = n, dy.shape[1], 1, dy.shape[2], 1, channels
        cells = [h.reshape(part, cell, f"dtap{i}_cell") for i, part in enumerate(parts)]
        rows = [h.concatenate(cells[k * s : (k + 1) * s], 4, f"dx_row{k}") for k in range(s)]
        return (h.reshape(h.concatenate(rows, 2, "dx_cells"), saved.x_shape, "dx"),)
    dx = None
    for i, part in enumerate(parts):
        k, m = divmod(i, layer.window)
        low = (0, k - top, m - left, 0)
        high = tuple(
            size - shift - ((places - 1) * s + 1)
            for size, shift, places in ((height, k - top, dy.shape[1]), (width, m - left, dy.shape[2]))
        )
        placed = h.pad(part, 0.0, low, (0, *high, 0), (0, s - 1, s - 1, 0), f"dtap{i}_pixels")
        dx = placed if dx is None else h.add(dx, placed, "dx" if i == len(parts) - 1 else f"dx_to_tap{i}")
    assert dx is not None
    return (dx,)
