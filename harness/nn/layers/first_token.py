"""The first token of a sequence."""

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
class FirstToken(Layer):
    """y = token 0 of x.

    Shapes: x (B, T, D), y (B, D).
    Source: specs/README.md, Transformer encoder.
    """

    kind: ClassVar[str] = "first"

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) != 2:
            raise SpecError(f"the input has shape {dims(x)}, a token is taken from a sequence (T, D).")
        return (x[1],)


@reference_rule(FirstToken)
def reference_first_token(layer: FirstToken, r: Reference, x: Array) -> Array:
    """x[:, 0]."""
    return x[:, 0]


@jax_rule(FirstToken)
def jax_first_token(layer: FirstToken, j: JaxBuilder, x: Expr) -> Expr:
    """x[:, 0]."""
    return j.first(x)


@hlo_forward(FirstToken)
def hlo_first_token(layer: FirstToken, h: HloBuilder, x: Value) -> tuple[Value, int]:
    """A slice; backward needs the number of tokens."""
    n, tokens, features = x.shape
    token = h.slice(x, (0, 0, 0), (n, 1, features), name="token")
    return h.reshape(token, (n, features), "y"), tokens


@hlo_backward(FirstToken)
def hlo_first_token_backward(layer: FirstToken, h: HloBuilder, tokens: int, dy: Value) -> tuple[Value]:
    """dy at token 0, nothing at the others."""
    n, features = dy.shape
    return (h.pad(h.reshape(dy, (n, 1, features), "dtoken"), 0.0, (0, 0, 0), (0, tokens - 1, 0), name="dx"),)
