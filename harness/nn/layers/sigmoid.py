"""Logistic function."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.netspec import Layer, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule


@dataclass(frozen=True)
class Sigmoid(Layer):
    """y = 1/(1 + e^-x).

    Shapes: any x, y alike.
    Source: specs/README.md, Activations.
    """

    kind: ClassVar[str] = "sigmoid"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        return x


@reference_rule(Sigmoid)
def reference_sigmoid(layer: Sigmoid, r: Reference, x: Array) -> Array:
    """The formula."""
    return 1 / (1 + r.np.exp(-x))


@jax_rule(Sigmoid)
def jax_sigmoid(layer: Sigmoid, j: JaxBuilder, x: Expr) -> Expr:
    """jax.nn.sigmoid(x)."""
    return j.sigmoid(x)


@hlo_forward(Sigmoid)
def hlo_sigmoid(layer: Sigmoid, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """The operation of that name; backward needs y."""
    y = h.logistic(x, "y")
    return y, y


@hlo_backward(Sigmoid)
def hlo_sigmoid_backward(layer: Sigmoid, h: HloBuilder, y: Value, dy: Value) -> tuple[Value]:
    """y' = y (1 - y)."""
    return (h.mul(dy, h.mul(y, h.sub(1.0, y, "rest"), "slope"), "dx"),)
