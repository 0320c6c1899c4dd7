"""From an image to a vector."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import size


@dataclass(frozen=True)
class Flatten(Layer):
    """All features of an example in one vector, in row-major order of (C, H, W).

    Shapes: x (B, C, H, W), y (B, C·H·W).
    Source: specs/README.md, Flatten.
    """

    kind: ClassVar[str] = "flatten"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return (size(x),)


@reference_rule(Flatten)
def reference_flatten(layer: Flatten, r: Reference, x: Array) -> Array:
    """Channels in front again, then one row an example."""
    return (r.np.moveaxis(x, -1, 1) if x.ndim == 4 else x).reshape(len(x), -1)


@jax_rule(Flatten)
def jax_flatten(layer: Flatten, j: JaxBuilder, x: Expr) -> Expr:
    """One row an example; images are NHWC here, so they turn to NCHW first."""
    assert j.node is not None
    rows = j.transpose(x, (0, 3, 1, 2)) if len(j.node.in_shapes[0]) == 3 else x
    return j.reshape(rows, -1, *j.node.out_shape)


@hlo_forward(Flatten)
def hlo_flatten(layer: Flatten, h: HloBuilder, x: Value) -> tuple[Value, Shape]:
    """Images are NHWC here, so they turn to NCHW first; backward needs the shape."""
    nchw = h.transpose(x, (0, 3, 1, 2), "x_nchw") if len(x.shape) == 4 else x
    return h.reshape(nchw, (x.shape[0], size(x.shape[1:])), "y"), x.shape


@hlo_backward(Flatten)
def hlo_flatten_backward(layer: Flatten, h: HloBuilder, shape: Shape, dy: Value) -> tuple[Value]:
    """The same moves backwards."""
    if len(shape) != 4:
        return (h.reshape(dy, shape, "dx"),)
    n, height, width, channels = shape
    return (h.transpose(h.reshape(dy, (n, channels, height, width), "dx_nchw"), (0, 2, 3, 1), "dx"),)
