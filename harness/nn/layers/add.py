"""Sum of two values: where a skip connection ends."""

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
class Add(Layer):
    """y = a + b.

    Shapes: a, b and y alike.
    Source: specs/README.md, Residual blocks.
    """

    kind: ClassVar[str] = "add"

    def out_shape(self, *inputs: Shape) -> Shape:
        a, b = inputs
        if a != b:
            raise SpecError(f"the skip connection has shape {dims(b)}, the branch {dims(a)}. Make them alike.")
        return a


@reference_rule(Add)
def reference_add(layer: Add, r: Reference, a: Array, b: Array) -> Array:
    """a + b."""
    return a + b


@jax_rule(Add)
def jax_add(layer: Add, j: JaxBuilder, a: Expr, b: Expr) -> Expr:
    """a + b."""
    return j.add(a, b)


@hlo_forward(Add)
def hlo_add(layer: Add, h: HloBuilder, a: Value, b: Value) -> tuple[Value, None]:
    """a + b; backward needs nothing."""
    return h.add(a, b, "y"), None


@hlo_backward(Add)
def hlo_add_backward(layer: Add, h: HloBuilder, saved: None, dy: Value) -> tuple[Value, Value]:
    """da = dy, db = dy."""
    return dy, dy
