"""Prints JAX expressions. Every arithmetic operation of a JAX rule is a method here, one an operation.

A profile that needs other numerics (another dot, sum, divide or exp) replaces the method, not the rules. Images between
layers are NHWC, which XLA's convolutions on a CPU want; parameters keep the layout of the init file.
"""

import re

from harness.emit.jax_expr import ATOM, POWER, PRODUCT, SUM, UNARY, Expr, Hyperparameter, Operand
from harness.emit.jax_windows import (
    AVG_POOL,
    CONV,
    GENERAL_CONV,
    GENERAL_MAX_POOL,
    GENERAL_WINDOW_TAPS,
    GROUPED_CONV,
    MAX_POOL,
    WINDOW_TAPS,
)
from harness.emit.jax_writer import JaxWriter
from harness.spec.fields import Pair
from harness.spec.netspec import Shape
from harness.spec.windows import pair

__all__ = ["Edges", "Expr", "Hyperparameter", "JaxBuilder"]

Edges = tuple[tuple[int, int], tuple[int, int]]

# Stands once above the network of a script that calls it.
SCALE_GRADIENT = '''\
def scale_gradient(x, factor):
    """x, whose gradient is multiplied by the factor."""
    fixed = jax.lax.stop_gradient(x)
    return fixed + factor * (x - fixed)
'''


class JaxBuilder(JaxWriter):
    """Gives expressions to rules, which write their statements with it."""

    # Arithmetic

    def add(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a + b."""
        return self._infix(a, "+", b, SUM)

    def sub(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a - b."""
        return self._infix(a, "-", b, SUM)

    def mul(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a b."""
        return self._infix(a, "*", b, PRODUCT)

    def div(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a / b."""
        return self._infix(a, "/", b, PRODUCT)

    def neg(self, x: Expr) -> Expr:
        """Elementwise -x."""
        return Expr(f"-{x.at(UNARY)}", UNARY)

    def power(self, base: Operand, exponent: Expr) -> Expr:
        """Elementwise base ** exponent."""
        base = self.operand(base)
        simple = all(re.fullmatch(r"[\w.]+", operand.text) for operand in (base, exponent))
        return Expr(f"{base.at(ATOM)}{'**' if simple else ' ** '}{exponent.at(POWER)}", POWER)

    def square(self, x: Expr) -> Expr:
        """Elementwise x²."""
        return Expr(f"jnp.square({x})")

    def sqrt(self, x: Expr) -> Expr:
        """Elementwise square root."""
        return Expr(f"jnp.sqrt({x})")

    def round(self, x: Expr, digits: int) -> Expr:
        """A Python number rounded to so many decimals."""
        return Expr(f"round({x}, {digits})")

    def exp(self, x: Expr) -> Expr:
        """Elementwise e^x."""
        return Expr(f"jnp.exp({x})")

    def relu(self, x: Expr) -> Expr:
        """max(x, 0) with derivative 0 at 0 (jnp.maximum would give 1/2 there)."""
        return Expr(f"jax.nn.relu({x})")

    def relu6(self, x: Expr) -> Expr:
        """min(max(x, 0), 6) with derivative 0 at both corners (jnp.clip would give 1/2 there)."""
        return Expr(f"jax.nn.relu6({x})")

    def sigmoid(self, x: Expr) -> Expr:
        """1/(1 + e^-x)."""
        return Expr(f"jax.nn.sigmoid({x})")

    def swish(self, x: Expr) -> Expr:
        """x/(1 + e^-x)."""
        return Expr(f"jax.nn.silu({x})")

    def hard_sigmoid(self, x: Expr) -> Expr:
        """relu6(x + 3)/6."""
        return Expr(f"jax.nn.hard_sigmoid({x})")

    def hard_swish(self, x: Expr) -> Expr:
        """x relu6(x + 3)/6."""
        return Expr(f"jax.nn.hard_swish({x})")

    def gelu(self, x: Expr) -> Expr:
        """GELU in its tanh form."""
        return Expr(f"jax.nn.gelu({x}, approximate=True)")

    def exact_gelu(self, x: Expr) -> Expr:
        """GELU by the error function."""
        return Expr(f"jax.nn.gelu({x}, approximate=False)")

    def where(self, condition: Expr, a: Operand, b: Operand) -> Expr:
        """Elementwise a where the condition holds, else b."""
        return Expr(f"jnp.where({condition}, {self.operand(a)}, {self.operand(b)})")

    def equal(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a == b."""
        return Expr(f"{self.operand(a).at(SUM)} == {self.operand(b).at(SUM)}", -1)

    def at_least(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a >= b."""
        return Expr(f"{self.operand(a).at(SUM)} >= {self.operand(b).at(SUM)}", -1)

    def word(self, x: Expr | int) -> Expr:
        """x as an unsigned integer of 32 bits, whose arithmetic is modulo 2^32."""
        return Expr(f"jnp.uint32({x if isinstance(x, Expr) else f'0x{x:X}'})")

    def xor(self, a: Expr, b: Expr) -> Expr:
        """Bitwise exclusive or of words."""
        return Expr(f"{a.at(SUM)} ^ {b.at(SUM)}", -1)

    def shift_right(self, a: Expr, places: int) -> Expr:
        """Bits of a word moved down, zeros from above."""
        return Expr(f"({a.at(SUM)} >> {places})")

    def count(self, x: Expr) -> Expr:
        """Words 0, 1, 2, … as many as x has elements, in one axis."""
        return Expr(f"jnp.arange({x.at(ATOM)}.size, dtype=jnp.uint32)")

    def log_softmax(self, x: Expr) -> Expr:
        """Logarithm of softmax over the last axis."""
        return Expr(f"jax.nn.log_softmax({x})")

    def softmax(self, x: Expr) -> Expr:
        """Softmax over the last axis."""
        return Expr(f"jax.nn.softmax({x})")

    def pick(self, x: Expr, labels: Expr) -> Expr:
        """Of each row of x the element that its label names."""
        return Expr(f"jnp.take_along_axis({x}, {labels.at(ATOM)}[:, None], axis=-1)[:, 0]")

    def dot(self, a: Expr, b: Expr) -> Expr:
        """Matrix product a @ b."""
        return Expr(f"{a.at(PRODUCT)} @ {b.at(PRODUCT + 1)}", PRODUCT)

    def sum(self, x: Expr, axis: int | Shape, *, keepdims: bool = False) -> Expr:
        """Sum over `axis`."""
        return Expr(f"jnp.sum({x}, axis={axis}{', keepdims=True' if keepdims else ''})")

    def mean(self, x: Expr, axis: int | Shape | None = None, *, keepdims: bool = False) -> Expr:
        """Mean over `axis` (None: over everything)."""
        over = "" if axis is None else f", axis={axis}"
        return Expr(f"jnp.mean({x}{over}{', keepdims=True' if keepdims else ''})")

    def max(self, x: Expr, axis: int) -> Expr:
        """Maximum over `axis`."""
        return Expr(f"jnp.max({x}, axis={axis})")

    def conv(self, x: Expr, w: Expr, stride: Pair, padding: "str | Edges", groups: int = 1, dilation: Pair = 1) -> Expr:
        """Convolution of an NHWC image with OIHW weights, `dilation` apart; `groups` of channels do not mix."""
        edges = _edges(padding)
        if not isinstance(stride, int) or dilation != 1:
            how = f"{pair(stride)}, {edges}, {pair(dilation)}, {groups}"
            return self.helper("general_conv", GENERAL_CONV, f"{x}, {w}, {how}")
        if groups > 1:
            return self.helper("grouped_conv", GROUPED_CONV, f"{x}, {w}, {stride}, {edges}, {groups}")
        return self.helper("conv", CONV, f"{x}, {w}, {stride}, {edges}")

    def window_max(self, x: Expr, window: Pair, stride: Pair, padding: "str | Edges") -> Expr:
        """Maximum over windows of H and W; among equals the first gets the gradient."""
        if isinstance(window, int) and isinstance(stride, int) and isinstance(padding, str):
            return self.helper("max_pool", MAX_POOL, f"{x}, {window}, {stride}, {_edges(padding)}")
        how = f"{pair(window)}, {pair(stride)}, {_edges(padding)}"
        return self.helper("general_max_pool", GENERAL_MAX_POOL, f"{x}, {how}")

    def window_taps(self, x: Expr, window: Pair, stride: Pair, padding: "str | Edges") -> Expr:
        """Taps of windows of H and W, one tap after the other in a new first axis; minus infinity outside."""
        if isinstance(window, int) and isinstance(stride, int) and padding == "SAME":
            return self.helper("window_taps", WINDOW_TAPS, f"{x}, {window}, {stride}")
        how = f"{pair(window)}, {pair(stride)}, {_edges(padding)}"
        return self.helper("general_window_taps", GENERAL_WINDOW_TAPS, f"{x}, {how}")

    def window_mean(
        self, x: Expr, window: Pair, stride: Pair, padding: "str | Edges", *, count_include_pad: bool
    ) -> Expr:
        """Mean over windows of H and W; pixels of padding count as zeros, or not at all."""
        how = f"{pair(window)}, {pair(stride)}, {_edges(padding)}, {count_include_pad}"
        return self.helper("avg_pool", AVG_POOL, f"{x}, {how}")

    # Gradients

    def stop_gradient(self, x: Expr) -> Expr:
        """x as a constant: no gradient passes."""
        return Expr(f"jax.lax.stop_gradient({x})")

    def scale_gradient(self, x: Expr, factor: Expr) -> Expr:
        """x, whose gradient is multiplied by `factor`."""
        return self.helper("scale_gradient", SCALE_GRADIENT, f"{x}, {factor}")

    def barrier(self, x: Expr) -> Expr:
        """x, computed once for all who read it: what is compared with itself must not be rounded in two ways."""
        return Expr(f"jax.lax.optimization_barrier({x})")

    # Shape

    def reshape(self, x: Expr, *sizes: int) -> Expr:
        """The same elements in another shape, -1 for one size that follows from the others."""
        return Expr(f"{x.at(ATOM)}.reshape({', '.join(map(str, sizes))})")

    def size(self, x: Expr, axis: int) -> Expr:
        """Number of elements along one axis, which is a constant of the trace."""
        return Expr(f"{x.at(ATOM)}.shape[{axis}]")

    def split_last(self, x: Expr, parts: Expr) -> Expr:
        """The last axis as two, of which the first counts `parts`."""
        return Expr(f"{x.at(ATOM)}.reshape(*{x.at(ATOM)}.shape[:-1], {parts}, -1)")

    def join_last(self, x: Expr) -> Expr:
        """The last two axes as one."""
        return Expr(f"{x.at(ATOM)}.reshape(*{x.at(ATOM)}.shape[:-2], -1)")

    def repeat(self, x: Expr, like: Expr, *sizes: int) -> Expr:
        """x broadcast to `sizes`, once for every example of `like`."""
        return Expr(f"jnp.broadcast_to({x}, ({like.at(ATOM)}.shape[0], {', '.join(map(str, sizes))}))")

    def first(self, x: Expr) -> Expr:
        """Element 0 of the axis behind the batch."""
        return Expr(f"{x.at(ATOM)}[:, 0]")

    def concatenate(self, a: Expr, b: Expr, axis: int = -1) -> Expr:
        """a, then b, along `axis`."""
        return Expr(f"jnp.concatenate([{a}, {b}], axis={axis})")

    def transpose(self, x: Expr, order: Shape) -> Expr:
        """Axis i of the result is axis order[i] of x."""
        return Expr(f"{x.at(ATOM)}.transpose({', '.join(map(str, order))})")

    def _infix(self, a: Operand, operator: str, b: Operand, level: int) -> Expr:
        return Expr(f"{self.operand(a).at(level)} {operator} {self.operand(b).at(level + 1)}", level)


def _edges(padding: "str | Edges") -> str:
    return f'"{padding}"' if isinstance(padding, str) else str(padding)
