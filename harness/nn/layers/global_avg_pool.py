"""Mean over all pixels."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named, Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """y_c = mean over H and W of x_chw.

    Shapes: x (B, C, H, W), y (B, C).
    Source: specs/README.md, Pooling.
    """

    kind: ClassVar[str] = "gap"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 3:
            raise SpecError(f"the input has shape {dims(x)}, pooling needs an image (C, H, W).")
        return (x[0],)


@reference_rule(GlobalAvgPool)
def reference_global_avg_pool(layer: GlobalAvgPool, r: Reference, x: Array) -> Array:
    """Mean over height and width."""
    return x.mean((1, 2))


@jax_rule(GlobalAvgPool)
def jax_global_avg_pool(layer: GlobalAvgPool, j: JaxBuilder, x: Expr) -> Expr:
    """Mean over the two image axes."""
    return j.mean(x, (1, 2))


@hlo_forward(GlobalAvgPool)
def hlo_global_avg_pool(layer: GlobalAvgPool, h: HloBuilder, x: Value) -> tuple[Value, Shape]:
    """Sum over H and W, divided by their count; backward needs the shape."""
    return h.div(h.sum(x, (1, 2), "total"), Named(x.shape[1] * x.shape[2], "pixels"), "y"), x.shape


@hlo_backward(GlobalAvgPool)
def hlo_global_avg_pool_backward(layer: GlobalAvgPool, h: HloBuilder, shape: Shape, dy: Value) -> tuple[Value]:
    """Every pixel has the weight 1/(H W), so dx = dy/(H W) everywhere."""
    share = h.div(dy, Named(shape[1] * shape[2], "pixels"), "dx_pixel")
    return (h.broadcast(share, shape, (0, 3), "dx"),)
