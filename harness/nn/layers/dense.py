"""Fully connected layer."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.errors import SpecError
from harness.spec.netspec import Activated, Param, Shape
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.shapes import dims, size

LONGEST_SUM = 512


@dataclass(frozen=True)
class Dense(Activated):
    """y = act(x w + b), of a vector or of every token of a sequence.

    Shapes: x (B, inputs) or (B, T, inputs), w (inputs, units), b (units,), y as x with units for inputs.
    Source: specs/README.md, Dense.
    """

    inputs: int
    units: int
    kind: ClassVar[str] = "dense"

    def validate(self) -> None:
        if self.inputs < 1 or self.units < 1:
            raise SpecError(f"inputs={self.inputs}, units={self.units}; both must be at least 1.")

    def params(self) -> tuple[Param, ...]:
        return (
            Param("w", (self.inputs, self.units), "he_normal", fan_in=self.inputs, decays=True),
            Param("b", (self.units,), "zeros"),
        )

    def out_shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        if len(x) > 2:
            raise SpecError(
                f"the input is an image {dims(x)}, w needs a vector of {self.inputs}. Put a Flatten before."
            )
        if x[-1] != self.inputs:
            raise SpecError(f"the input has {x[-1]} features, w was declared for {self.inputs}. Set inputs={x[-1]}.")
        return (*x[:-1], self.units)


@reference_rule(Dense)
def reference_dense(layer: Dense, r: Reference, x: Array) -> Array:
    """The formula; w multiplies every vector."""
    return x @ r.param("w") + r.param("b")


@jax_rule(Dense)
def jax_dense(layer: Dense, j: JaxBuilder, x: Expr) -> Expr:
    """x @ w + b."""
    return j.add(j.dot(x, j.param("w")), j.param("b"))


def _rows(h: HloBuilder, x: Value, name: str) -> Value:
    """All vectors below each other: (B, T, D) as (B·T, D)."""
    return h.reshape(x, (size(x.shape[:-1]), x.shape[-1]), name)


@hlo_forward(Dense)
def hlo_dense(layer: Dense, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """x w + b; backward needs x."""
    xw = _product(h, _rows(h, x, "x_rows"), h.param("w"))
    y = h.add(xw, h.broadcast(h.param("b"), xw.shape, (1,), "b_rows"), "y")
    return h.reshape(y, (*x.shape[:-1], layer.units), "y_tokens"), x


def _product(h: HloBuilder, x: Value, w: Value) -> Value:
    """x w. A long sum is taken in blocks that are added at the end, which runs faster and rounds less."""
    (batch, inputs), units = x.shape, w.shape[1]
    blocks = next((n for n in range(1, inputs) if inputs % n == 0 and inputs // n <= LONGEST_SUM), 1)
    if blocks == 1 or inputs // blocks < LONGEST_SUM // 4:
        return h.dot(x, w, ((1,), (0,)), name="xw")
    x_blocks = h.reshape(x, (batch, blocks, inputs // blocks), "x_blocks")
    w_blocks = h.reshape(w, (blocks, inputs // blocks, units), "w_blocks")
    return h.sum(h.dot(x_blocks, w_blocks, ((2,), (1,)), ((1,), (0,)), "xw_blocks"), (0,), "xw")


@hlo_backward(Dense)
def hlo_dense_backward(layer: Dense, h: HloBuilder, x: Value, dy: Value) -> tuple[Value]:
    """y_bu = Σ_i x_bi w_iu + b_u, so dw = xᵀ dy, db = Σ_b dy, dx = dy wᵀ. In a sequence b runs over all its tokens."""
    if len(x.shape) == 2:
        dw, db = h.dot(x, dy, ((0,), (0,)), name="dw"), dy
    else:
        # Within examples first, which keeps more digits.
        dw = h.sum(h.dot(x, dy, ((1,), (1,)), ((0,), (0,)), "dw_examples"), (0,), "dw")
        db = h.sum(dy, (1,), "db_examples")
    h.grad("w", dw)
    h.grad("b", h.sum(db, (0,), "db"))
    dx = h.dot(_rows(h, dy, "dy_rows"), h.param("w"), ((1,), (1,)), name="dx")
    return (h.reshape(dx, x.shape, "dx_tokens"),)
