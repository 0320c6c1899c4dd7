"""Rectified linear unit."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class Relu(Layer):
    """y = max(x, 0), with derivative 0 at 0.

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "relu"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Relu)
def reference_relu(layer: Relu, r: Reference, x: Array) -> Array:
    """x above 0, else 0."""
    return r.np.where(x > 0, x, 0.0)


@jax_rule(Relu)
def jax_relu(layer: Relu, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.relu(x)."""
    return j.relu(x)


@hlo_forward(Relu)
def hlo_relu(layer: Relu, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """max(x, 0); backward needs y, so that x need not be kept."""
    y = h.maximum(x, 0.0, "y")
    return y, y


@hlo_backward(Relu)
def hlo_relu_backward(layer: Relu, h: HloBuilder, y: Value, dy: Value) -> tuple[Value]:
    """dx = dy where x > 0, which is where y > 0, else 0."""
    return (h.select(h.compare("GT", y, 0.0, "positive"), dy, 0.0, "dx"),)
