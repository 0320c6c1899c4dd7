"""Prints JAX expressions. Every arithmetic operation of a JAX rule is a method here, one an operation.

A profile that needs other numerics (another dot, sum, divide or exp) replaces the method, not the rules. Images between
layers are NHWC, which XLA's convolutions on a CPU want; parameters keep the layout of the init file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.emit.jax_functions import SCALE_GRADIENT, WINDOW_TAPS
from harness.emit.source import Source
from harness.spec.netspec import Conventions, Shape
from harness.spec.shapes import Node

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)


@dataclass(frozen=True)
class Expr:
    """A Python expression and how tightly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses when it binds less tightly than `level`."""
        return self.text if self.level >= level else f"({self.text})"

    def __str__(self) -> str:
        return self.text


Operand = Expr | float


class JaxBuilder:
    """Writes statements into `source` and gives expressions to rules.

    A rule sees its node's parameters and states through `param`, `state` and `set_state`.
    """

    def __init__(self, conventions: Conventions, source: Source | None = None) -> None:
        self.conventions = conventions
        self.source = source or Source()
        self.node: Node | None = None
        self._functions: dict[str, str] = {}

    # Names and statements

    @property
    def functions(self) -> tuple[str, ...]:
        """Source of every helper function that was called, in the order of first use."""
        return tuple(self._functions.values())

    def let(self, name: str, value: Expr) -> Expr:
        """`name = value`; returns the name."""
        self.source.line(f"{name} = {value}")
        return Expr(name)

    def local(self, hint: str) -> str:
        """A variable name that belongs to the current node."""
        assert self.node is not None
        return f"{self.node.name.replace('.', '_')}_{hint}"

    def let_many(self, names: Sequence[str], value: Expr) -> tuple[Expr, ...]:
        """`a, b = value`; returns the names."""
        self.source.line(f"{', '.join(names)} = {value}")
        return tuple(Expr(name) for name in names)

    def call(self, name: str, doc: str, parameters: Sequence[str], body: "Body", *args: Expr) -> Expr:
        """A call of a helper function, which is written once. `body(builder, *parameters)` returns its results."""
        if name not in self._functions:
            inner = type(self)(self.conventions)
            inner._functions = self._functions
            with inner.source.block(f"def {name}({', '.join(parameters)}):"):
                inner.source.line(f'"""{doc}"""')
                results = body(inner, *(Expr(parameter) for parameter in parameters))
                inner.source.line(f"return {', '.join(map(str, results))}")
            self._functions[name] = str(inner.source)
        return Expr(f"{name}({', '.join(map(str, args))})")

    def param(self, name: str) -> Expr:
        """The node's parameter."""
        assert self.node is not None
        return Expr(f'params["{self.node.scope}.{name}"]')

    def state(self, name: str) -> Expr:
        """The node's running statistic before this step."""
        assert self.node is not None
        return Expr(f'stats["{self.node.scope}.{name}"]')

    def set_state(self, name: str, value: Expr) -> None:
        """The node's running statistic after this step."""
        assert self.node is not None
        self.source.line(f'new_stats["{self.node.scope}.{name}"] = {value}')

    @property
    def t(self) -> Expr:
        """Number of the training step, from 1, as a float."""
        return Expr("t")

    # Arithmetic

    def add(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a + b."""
        return _infix(a, "+", b, SUM)

    def sub(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a - b."""
        return _infix(a, "-", b, SUM)

    def mul(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a b."""
        return _infix(a, "*", b, PRODUCT)

    def div(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a / b."""
        return _infix(a, "/", b, PRODUCT)

    def neg(self, x: Expr) -> Expr:
        """Elementwise -x."""
        return Expr(f"-{x.at(UNARY)}", UNARY)

    def power(self, base: Operand, exponent: Expr) -> Expr:
        """Elementwise base ** exponent."""
        return Expr(f"{_expr(base).at(ATOM)}**{exponent.at(POWER)}", POWER)

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

    def where(self, condition: Expr, a: Operand, b: Operand) -> Expr:
        """Elementwise a where the condition holds, else b."""
        return Expr(f"jnp.where({condition}, {_expr(a)}, {_expr(b)})")

    def equal(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a == b."""
        return Expr(f"{_expr(a).at(SUM)} == {_expr(b).at(SUM)}", -1)

    def at_least(self, a: Operand, b: Operand) -> Expr:
        """Elementwise a >= b."""
        return Expr(f"{_expr(a).at(SUM)} >= {_expr(b).at(SUM)}", -1)

    def word(self, x: Expr | int) -> Expr:
        """x as an unsigned integer of 32 bits, whose arithmetic is modulo 2^32."""
        return Expr(f"jnp.uint32({x if isinstance(x, Expr) else hex(x)})")

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

    def conv(self, x: Expr, w: Expr, stride: int, padding: "str | Edges", groups: int = 1) -> Expr:
        """Convolution of an NHWC image with OIHW weights; `groups` of channels do not mix."""
        edges = f'"{padding}"' if isinstance(padding, str) else str(padding)
        options = 'dimension_numbers=("NHWC", "OIHW", "NHWC")'
        if groups > 1:
            options += f", feature_group_count={groups}"
        return Expr(f"jax.lax.conv_general_dilated({x}, {w}, ({stride}, {stride}), {edges}, {options})")

    def window_max(self, x: Expr, window: int, stride: int, padding: str) -> Expr:
        """Maximum over windows of H and W; among equals the first gets the gradient."""
        sizes, strides = f"(1, {window}, {window}, 1)", f"(1, {stride}, {stride}, 1)"
        return Expr(f'jax.lax.reduce_window({x}, -jnp.inf, jax.lax.max, {sizes}, {strides}, "{padding}")')

    def window_taps(self, x: Expr, window: int, stride: int) -> Expr:
        """What windows of H and W see, one tap after the other in a new first axis; SAME, minus infinity outside."""
        self._functions.setdefault("window_taps", WINDOW_TAPS)
        return Expr(f"window_taps({x}, {window}, {stride})")

    # Gradients

    def stop_gradient(self, x: Expr) -> Expr:
        """x as a constant: no gradient passes."""
        return Expr(f"jax.lax.stop_gradient({x})")

    def scale_gradient(self, x: Expr, factor: Expr) -> Expr:
        """x, whose gradient is multiplied by `factor`."""
        self._functions.setdefault("scale_gradient", SCALE_GRADIENT)
        return Expr(f"scale_gradient({x}, {factor})")

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


Body = Callable[..., tuple[Expr, ...]]
Edges = tuple[tuple[int, int], tuple[int, int]]


def _expr(x: Operand) -> Expr:
    if isinstance(x, Expr):
        return x
    return Expr(repr(x), UNARY if x < 0 else ATOM)


def _infix(a: Operand, operator: str, b: Operand, level: int) -> Expr:
    return Expr(f"{_expr(a).at(level)} {operator} {_expr(b).at(level + 1)}", level)
