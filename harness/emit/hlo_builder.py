"""The operations of StableHLO, one method each; shapes are checked when an operation is built.

Every operation of a rule goes through here. Images between layers are NHWC on this side, parameters keep the layout of
the init file. A result is named by what it means; without a name it is called `value`.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from harness.emit.hlo_function import Callee, ElementType, HloFunction, Value, check
from harness.spec.fields import Pair
from harness.spec.netspec import Shape
from harness.spec.shapes import dims, size
from harness.spec.windows import pair

Operand = Value | float


class HloBuilder(HloFunction):
    """A function to which rules add operations."""

    def call(
        self,
        function: str,
        reason: str,
        operands: Mapping[str, Value],
        build: Callable[..., Sequence[Value]],
        names: Sequence[str],
    ) -> list[Value]:
        """The results of `build(h, *operands)`, by a function of the module that is written once.

        `function` and the shape of the first operand name it; `reason` is the comment above it, `names` are those of
        the results here. Where functions cannot be called, `build` builds in their place.
        """
        given = list(operands.values())
        if self.callees is None:
            return list(build(self, *given))
        inner = HloBuilder(self.dtype, self.conventions, is_callee=True)
        results = tuple(build(inner, *(inner.input(name, x.shape, x.dtype) for name, x in operands.items())))
        callee = self.callees.include(f"{function}_{dims(given[0].shape) or 'scalar'}", Callee(reason, inner, results))
        types = ", ".join(x.type for x in given), ", ".join(x.type for x in results)
        text = f"call @{callee}({', '.join(map(str, given))}) : ({types[0]}) -> ({types[1]})"
        made = [(name, x.shape, x.dtype) for name, x in zip(names, results, strict=True)]
        return self._emit_many(made, text, *given, callee=callee)

    def iota(self, shape: Shape, axis: int, name: str | None = None, dtype: ElementType = "i32") -> Value:
        """Integers that count along `axis`."""
        return self._emit(name, shape, dtype, f"stablehlo.iota dim = {axis} : {{result}}")

    def convert(self, x: Value, dtype: ElementType, name: str | None = None) -> Value:
        """The same numbers in another element type; towards zero for integers."""
        made = Value("", x.shape, dtype)
        text = f"stablehlo.convert {x} : ({x.type}) -> {made.type}"
        return self._emit(name, x.shape, dtype, text, x)

    def _operand(self, x: Operand, like: Value) -> Value:
        return x if isinstance(x, Value) else self.constant(x, like.shape, like.dtype)

    def _binary(self, op: str, a: Operand, b: Operand, name: str | None) -> Value:
        like = a if isinstance(a, Value) else b
        assert isinstance(like, Value), "one operand must be a value"
        x, y = self._operand(a, like), self._operand(b, like)
        check(x.shape == y.shape and x.dtype == y.dtype, f"{op} of {x.type} and {y.type}")
        return self._emit(name, x.shape, x.dtype, f"stablehlo.{op} {x}, {y} : {{result}}", x, y)

    def _unary(self, op: str, x: Value, name: str | None) -> Value:
        return self._emit(name, x.shape, x.dtype, f"stablehlo.{op} {x} : {{result}}", x)

    def add(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a + b of equal shapes; a number stands for a tensor of that number, here and below."""
        return self._binary("add", a, b, name)

    def sub(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a - b."""
        return self._binary("subtract", a, b, name)

    def mul(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a b."""
        return self._binary("multiply", a, b, name)

    def div(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a / b."""
        return self._binary("divide", a, b, name)

    def maximum(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise maximum."""
        return self._binary("maximum", a, b, name)

    def minimum(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise minimum."""
        return self._binary("minimum", a, b, name)

    def power(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a to the power b."""
        return self._binary("power", a, b, name)

    def logical_and(self, a: Value, b: Value, name: str | None = None) -> Value:
        """Elementwise conjunction of booleans."""
        return self._binary("and", a, b, name)

    def xor(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Bitwise exclusive or of integers."""
        return self._binary("xor", a, b, name)

    def shift_right(self, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Bits of an integer moved down by b places, zeros from above."""
        return self._binary("shift_right_logical", a, b, name)

    def negate(self, x: Value, name: str | None = None) -> Value:
        """Elementwise -x."""
        return self._unary("negate", x, name)

    def exp(self, x: Value, name: str | None = None) -> Value:
        """Elementwise e^x."""
        return self._unary("exponential", x, name)

    def log(self, x: Value, name: str | None = None) -> Value:
        """Elementwise natural logarithm."""
        return self._unary("log", x, name)

    def sqrt(self, x: Value, name: str | None = None) -> Value:
        """Elementwise square root."""
        return self._unary("sqrt", x, name)

    def logistic(self, x: Value, name: str | None = None) -> Value:
        """Elementwise 1/(1 + e^-x)."""
        return self._unary("logistic", x, name)

    def compare(self, direction: str, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise comparison (EQ, NE, GE, GT, LE, LT), giving booleans."""
        like = a if isinstance(a, Value) else b
        assert isinstance(like, Value), "one operand must be a value"
        x, y = self._operand(a, like), self._operand(b, like)
        check(x.shape == y.shape and x.dtype == y.dtype, f"compare of {x.type} and {y.type}")
        kind = {"i32": "SIGNED", "ui32": "UNSIGNED"}.get(x.dtype, "FLOAT")
        flags = Value("", x.shape, "i1")
        text = f"stablehlo.compare {direction}, {x}, {y}, {kind} : ({x.type}, {y.type}) -> {flags.type}"
        return self._emit(name, x.shape, "i1", text, x, y)

    def select(self, where: Value, a: Operand, b: Operand, name: str | None = None) -> Value:
        """Elementwise a where the condition holds, else b."""
        like = a if isinstance(a, Value) else b
        assert isinstance(like, Value), "one operand must be a value"
        x, y = self._operand(a, like), self._operand(b, like)
        check(where.shape == x.shape == y.shape and x.dtype == y.dtype, f"select of {where.type}, {x.type}, {y.type}")
        text = f"stablehlo.select {where}, {x}, {y} : {where.type}, {{result}}"
        return self._emit(name, x.shape, x.dtype, text, where, x, y)

    def reduce_precision(self, x: Value, exponent: int, mantissa: int, name: str | None = None) -> Value:
        """x rounded to so many bits of exponent and mantissa."""
        text = f"stablehlo.reduce_precision {x}, format = e{exponent}m{mantissa} : {{result}}"
        return self._emit(name, x.shape, x.dtype, text, x)

    def barrier(self, xs: Sequence[Value], names: Sequence[str]) -> list[Value]:
        """The same values, all materialised: nothing behind this point is computed together with what is before it."""
        text = f"stablehlo.optimization_barrier {', '.join(map(str, xs))} : {', '.join(x.type for x in xs)}"
        return self._emit_many([(name, x.shape, x.dtype) for name, x in zip(names, xs, strict=True)], text, *xs)

    # Shape

    def broadcast(self, x: Value, shape: Shape, axes: Shape = (), name: str | None = None) -> Value:
        """Repeat x to `shape`; axis i of x becomes axis axes[i] of the result."""
        fits = len(axes) == len(x.shape) and all(x.shape[i] in (1, shape[axis]) for i, axis in enumerate(axes))
        check(fits, f"broadcast of {x.type} to {shape} along {axes}")
        text = f"stablehlo.broadcast_in_dim {x}, dims = {list(axes)} : ({x.type}) -> {{result}}"
        return self._emit(name, shape, x.dtype, text, x)

    def reshape(self, x: Value, shape: Shape, name: str | None = None) -> Value:
        """The same elements, row-major, in another shape."""
        check(size(x.shape) == size(shape), f"reshape of {x.type} to {shape}")
        if x.shape == shape:
            return x
        text = f"stablehlo.reshape {x} : ({x.type}) -> {{result}}"
        return self._emit(name, shape, x.dtype, text, x)

    def transpose(self, x: Value, order: Shape, name: str | None = None) -> Value:
        """Axis i of the result is axis order[i] of x."""
        check(sorted(order) == list(range(len(x.shape))), f"transpose of {x.type} by {order}")
        text = f"stablehlo.transpose {x}, dims = {list(order)} : ({x.type}) -> {{result}}"
        return self._emit(name, tuple(x.shape[i] for i in order), x.dtype, text, x)

    def reverse(self, x: Value, axes: Shape, name: str | None = None) -> Value:
        """The elements in opposite order along `axes`."""
        text = f"stablehlo.reverse {x}, dims = {list(axes)} : {{result}}"
        return self._emit(name, x.shape, x.dtype, text, x)

    def slice(self, x: Value, start: Shape, stop: Shape, stride: Shape | None = None, name: str | None = None) -> Value:
        """x[start:stop:stride] along every axis."""
        steps = stride or (1,) * len(x.shape)
        fits = all(0 <= lo <= hi <= n for lo, hi, n in zip(start, stop, x.shape, strict=True))
        check(fits, f"slice of {x.type} from {start} to {stop}")
        ranges = ", ".join(f"{lo}:{hi}:{by}" for lo, hi, by in zip(start, stop, steps, strict=True))
        shape = tuple(-(-(hi - lo) // by) for lo, hi, by in zip(start, stop, steps, strict=True))
        text = f"stablehlo.slice {x} [{ranges}] : ({x.type}) -> {{result}}"
        return self._emit(name, shape, x.dtype, text, x)

    def concatenate(self, xs: Sequence[Value], axis: int, name: str | None = None) -> Value:
        """The tensors one after another along `axis`."""
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        for x in xs:
            same = all(n == m for i, (n, m) in enumerate(zip(x.shape, shape, strict=True)) if i != axis)
            check(same, f"concatenate of {xs[0].type} and {x.type} along axis {axis}")
        types = ", ".join(x.type for x in xs)
        text = f"stablehlo.concatenate {', '.join(map(str, xs))}, dim = {axis} : ({types}) -> {{result}}"
        return self._emit(name, tuple(shape), xs[0].dtype, text, *xs)

    def pad(
        self, x: Value, value: float, low: Shape, high: Shape, interior: Shape | None = None, name: str | None = None
    ) -> Value:
        """x with `value` around it, and `interior` times between its elements."""
        gaps = interior or (0,) * len(x.shape)
        shape = tuple(
            lo + n + max(n - 1, 0) * gap + hi for n, lo, hi, gap in zip(x.shape, low, high, gaps, strict=True)
        )
        fill = self.constant(value, (), x.dtype)
        text = (
            f"stablehlo.pad {x}, {fill}, low = {list(low)}, high = {list(high)}, interior = {list(gaps)} : "
            f"({x.type}, {fill.type}) -> {{result}}"
        )
        return self._emit(name, shape, x.dtype, text, x, fill)

    # Contractions

    def dot(
        self,
        a: Value,
        b: Value,
        contract: tuple[Shape, Shape],
        batch: tuple[Shape, Shape] = ((), ()),
        name: str | None = None,
    ) -> Value:
        """Σ over the contracted axes of a b; the result has the batch axes, then what is left of a, then of b."""
        for i, j in (*zip(*contract, strict=True), *zip(*batch, strict=True)):
            check(a.shape[i] == b.shape[j], f"dot of {a.type} and {b.type} over axes {contract}, batch {batch}")
        shape = tuple(a.shape[i] for i in batch[0])
        for x, gone in ((a, (*contract[0], *batch[0])), (b, (*contract[1], *batch[1]))):
            shape += tuple(n for i, n in enumerate(x.shape) if i not in gone)
        batching = f"batching_dims = {list(batch[0])} x {list(batch[1])}, " if batch[0] else ""
        text = (
            f"stablehlo.dot_general {a}, {b}, {batching}contracting_dims = {list(contract[0])} x {list(contract[1])} : "
            f"({a.type}, {b.type}) -> {{result}}"
        )
        return self._emit(name, shape, a.dtype, text, a, b)

    def convolution(
        self,
        x: Value,
        w: Value,
        stride: Pair,
        padding: tuple[tuple[int, int], tuple[int, int]],
        name: str | None = None,
        *,
        groups: int = 1,
        dilation: Pair = 1,
    ) -> Value:
        """Cross-correlation of NHWC images with HWIO weights; `padding` is (low, high) of H and of W.

        `groups` of channels do not mix; the taps of w are `dilation` pixels apart.
        """
        n, height, width, channels = x.shape
        check(w.shape[2] * groups == channels and w.shape[3] % groups == 0, f"convolution of {x.type} with {w.type}")
        strides, apart = pair(stride), pair(dilation)
        places = [
            (size + low + high - (k - 1) * d - 1) // s + 1
            for size, k, (low, high), s, d in zip((height, width), w.shape[:2], padding, strides, apart, strict=True)
        ]
        window = f"stride = {list(strides)}, pad = {[list(edges) for edges in padding]}"
        if apart != (1, 1):
            window += f", rhs_dilate = {list(apart)}"
        text = (
            f"stablehlo.convolution({x}, {w}) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], "
            f"window = {{{window}}} {{batch_group_count = 1 : i64, feature_group_count = {groups} : i64}} : "
            f"({x.type}, {w.type}) -> {{result}}"
        )
        return self._emit(name, (n, *places, w.shape[3]), x.dtype, text, x, w)

    def _reduce(self, op: str, start: float, x: Value, axes: Shape, name: str | None) -> Value:
        init = self.constant(start, (), x.dtype)
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        text = (
            f"stablehlo.reduce({x} init: {init}) applies stablehlo.{op} across dimensions = {list(axes)} : "
            f"({x.type}, {init.type}) -> {{result}}"
        )
        return self._emit(name, shape, x.dtype, text, x, init)

    def sum(self, x: Value, axes: Shape, name: str | None = None) -> Value:
        """Sum over `axes`, which disappear."""
        return self._reduce("add", 0.0, x, axes, name)

    def max(self, x: Value, axes: Shape, name: str | None = None) -> Value:
        """Maximum over `axes`, which disappear."""
        return self._reduce("maximum", -math.inf, x, axes, name)
