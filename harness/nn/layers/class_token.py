"""A trained token in front of a sequence."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Layer, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims


@dataclass(frozen=True)
class ClassToken(Layer):
    """y = cls, then the tokens of x.

    Shapes: x (B, T, features), cls (features,), y (B, T + 1, features).
    Source: specs/README.md, Patch embedding.
    """

    features: int
    kind: ClassVar[str] = "token"

    def params(self) -> tuple[Param, ...]:
        return (Param("cls", (self.features,), "zeros"),)

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 2 or x[1] != self.features:
            raise SpecError(f"the input has shape {dims(x)}, cls needs a sequence of {self.features} features.")
        return (x[0] + 1, x[1])


@reference_rule(ClassToken)
def reference_class_token(layer: ClassToken, r: Reference, x: Array) -> Array:
    """cls in front of every example's tokens."""
    return r.np.concatenate([r.np.zeros_like(x[:, :1]) + r.param("cls"), x], 1)


@jax_rule(ClassToken)
def jax_class_token(layer: ClassToken, j: JaxBuilder, x: Expr) -> Expr:
    """The token, repeated for every example, in front."""
    return j.concatenate(j.repeat(j.param("cls"), x, 1, layer.features), x, axis=1)


@hlo_forward(ClassToken)
def hlo_class_token(layer: ClassToken, h: HloBuilder, x: Value) -> tuple[Value, None]:
    """The token, repeated for every example, in front; backward needs nothing."""
    token = h.broadcast(h.param("cls"), (x.shape[0], 1, layer.features), (2,), "cls_examples")
    return h.concatenate([token, x], 1, "y"), None


@hlo_backward(ClassToken)
def hlo_class_token_backward(layer: ClassToken, h: HloBuilder, saved: None, dy: Value) -> tuple[Value]:
    """dcls = Σ_b dy_b0, dx the rest of dy."""
    n, tokens, features = dy.shape
    token = h.reshape(h.slice(dy, (0, 0, 0), (n, 1, features), name="dtoken"), (n, features), "dtoken_rows")
    h.grad("cls", h.sum(token, (0,), "dcls"))
    return (h.slice(dy, (0, 1, 0), (n, tokens, features), name="dx"),)
