"""Channels of two images, one after the other."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class Concat(Layer):
    """y = the channels of a, then those of b.

    Shapes: a (B, C1, H, W), b (B, C2, H, W), y (B, C1 + C2, H, W).
    Source: specs/README.md, Fire module.
    """

    kind: ClassVar[str] = "concat"

    def out_shape(self, *inputs: Shape) -> Shape:
        a, b = inputs
        if len(a) != 3 or len(b) != 3 or a[1:] != b[1:]:
            raise SpecError(f"images of {dims(a)} and {dims(b)} cannot be put together; their pixels must match.")
        return (a[0] + b[0], *a[1:])


@reference_rule(Concat)
def reference_concat(layer: Concat, r: Reference, a: Array, b: Array) -> Array:
    """Channels last."""
    return r.np.concatenate([a, b], -1)


@jax_rule(Concat)
def jax_concat(layer: Concat, j: JaxBuilder, a: Expr, b: Expr) -> Expr:
    """jnp.concatenate."""
    return j.concatenate(a, b)


@hlo_forward(Concat)
def hlo_concat(layer: Concat, h: HloBuilder, a: Value, b: Value) -> tuple[Value, int]:
    """The channels are the last axis here; backward needs their number in a."""
    return h.concatenate([a, b], 3, "y"), a.shape[3]


@hlo_backward(Concat)
def hlo_concat_backward(layer: Concat, h: HloBuilder, saved: int, dy: Value) -> tuple[Value, Value]:
    """Each gets its own channels back."""
    n, height, width, channels = dy.shape
    da = h.slice(dy, (0, 0, 0, 0), (n, height, width, saved), name="da")
    return da, h.slice(dy, (0, 0, 0, saved), (n, height, width, channels), name="db")
