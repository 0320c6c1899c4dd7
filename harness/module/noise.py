"""The f64 version of a program with rounding noise in it, by which the program itself tells what rounding can do.

Each rounding operation's result is multiplied by (1 + a c r): r uniform with variance 1, drawn by a hash of element,
operation and seed; c the operation's own number of roundings. What is summed over K terms is multiplied by
(1 + a sqrt(K) r) before, and the sum by the roundings of its partial sums after. The amplitude a and the seed are
*arguments* of the clone, so that one compilation gives the exact reference (a = 0: every factor is exactly 1) and any
number of members of an ensemble.
"""

import math
from collections.abc import Sequence
from typing import Any

from harness.module.clone import Widener
from harness.module.mlir import element_of, func, ir, kind_of, shape_of, stablehlo

UNIT = 2.0**-24  # unit roundoff of f32
# Roundings of one operation, those of the field's libraries: 1 where the result is the nearest number.
_ROUNDINGS = {"add": 1.0, "subtract": 1.0, "multiply": 1.0, "square": 1.0, "sqrt": 1.0, "divide": 2.0, "rsqrt": 2.0}
# K terms added one after another: where they have one sign, the roundings of all partial sums are sqrt(K / 3) unit
# roundoffs of the last one. The amplitude has four of them in it.
_IN_A_ROW = 1.0 / (4.0 * math.sqrt(3.0))
_OTHER_ROUNDINGS = 4.0  # exponential, tanh and so on
# Operations whose results are among their operands, or whole numbers, or the same number again.
_EXACT = """
    bitcast_convert broadcast broadcast_in_dim concatenate constant convert dynamic_slice dynamic_update_slice gather
    get_tuple_element imag iota optimization_barrier pad real reshape reverse slice sort transpose tuple
    abs ceil clamp compare floor is_finite maximum minimum negate reduce_precision remainder round_nearest_afz
    round_nearest_even select sign
    and count_leading_zeros not or popcnt rng_bit_generator shift_left shift_right_arithmetic shift_right_logical xor
    case if map return while
"""
EXACT = frozenset(_EXACT.split())
SUMS = frozenset({"reduce", "reduce_window", "select_and_scatter", "scatter"})
FLOW = frozenset({"while", "if", "case"})
# How many operands have terms of what is added, where it is not those of a reduction. An error of the other two is that
# of another matrix, however large the numbers are that come of it.
_SUMMED_OPERANDS = {"dot_general": 2, "dot": 2, "convolution": 2, "triangular_solve": 2, "cholesky": 1}
# How much coarser than f32 a type rounds: arithmetic in it, which a program means, has noise of its own size.
_COARSER = {"f64": 2.0**-29, "f32": 1.0, "bf16": 2.0**16, "f16": 2.0**13}
_DEVIATION = math.sqrt(12.0) / 2**32  # makes of a number of 32 bits one of variance 1
_TIE = 1e-24  # what tells zeros from one another is far below every number that matters

# Whole numbers wrap around: a multiplicative hash, whose upper bits, the sign first, are as good as drawn.
_FUNCTION = """
func.func private @{name}(%x: tensor<{shape}f64>, %amplitude: tensor<f64>, %key: tensor<ui32>) -> tensor<{shape}f64> {{
  %element = stablehlo.iota dim = 0 : tensor<{count}xui32>
  %golden = stablehlo.constant dense<2654435769> : tensor<{count}xui32>
  %m1 = stablehlo.constant dense<2146121005> : tensor<{count}xui32>
  %m2 = stablehlo.constant dense<2221713035> : tensor<{count}xui32>
  %s15 = stablehlo.constant dense<15> : tensor<{count}xui32>
  %one = stablehlo.constant dense<1.0> : tensor<{count}xf64>
  %keys = stablehlo.broadcast_in_dim %key, dims = [] : (tensor<ui32>) -> tensor<{count}xui32>
  %spread = stablehlo.multiply %element, %golden : tensor<{count}xui32>
  %keyed = stablehlo.xor %spread, %keys : tensor<{count}xui32>
  %mixed = stablehlo.multiply %keyed, %m1 : tensor<{count}xui32>
  %upper = stablehlo.shift_right_logical %mixed, %s15 : tensor<{count}xui32>
  %folded = stablehlo.xor %mixed, %upper : tensor<{count}xui32>
  %drawn = stablehlo.multiply %folded, %m2 : tensor<{count}xui32>
  %signed = stablehlo.bitcast_convert %drawn : (tensor<{count}xui32>) -> tensor<{count}xi32>
  %whole = stablehlo.convert %signed : (tensor<{count}xi32>) -> tensor<{count}xf64>
  %amplitudes = stablehlo.broadcast_in_dim %amplitude, dims = [] : (tensor<f64>) -> tensor<{count}xf64>
  %relative = stablehlo.multiply %whole, %amplitudes : tensor<{count}xf64>
  %factor = stablehlo.add %one, %relative : tensor<{count}xf64>
  %factors = stablehlo.reshape %factor : (tensor<{count}xf64>) -> tensor<{shape}f64>
  %y = stablehlo.multiply %x, %factors : tensor<{shape}f64>
  return %y : tensor<{shape}f64>
}}
"""


class NoisyWidener(Widener):
    """The f64 version with three more arguments: amplitude (f64), amplitude for ties (f64), seed (ui32).

    The amplitude for ties moves what elements are chosen by where the specification leaves open which of several equal
    ones it is, also zeros: it lets another one be chosen. `chooses`: after `clone`, whether there is such a place.
    """

    chooses = False

    def extra_arguments(self) -> Sequence[Any]:
        """Amplitude, amplitude for ties, seed."""
        number = ir.RankedTensorType.get([], ir.F64Type.get())
        return number, number, ir.RankedTensorType.get([], ir.IntegerType.get_unsigned(32))

    def begin(self, module: Any, extra: Sequence[Any]) -> None:
        self._module = module
        self._amplitude, self._ties, seed = extra
        self._functions: set[str] = set()
        self._drawn = 0
        self._seed = stablehlo.multiply(seed, _constant(2246822519, unsigned=True))

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        kind, open_choices = kind_of(op), choices(op)
        values = [self._untied(value) if i in open_choices else value for i, value in enumerate(values)]
        if kind == "select_and_scatter":
            chosen, source, initial = values
            return [chosen, self._summed(op, source, 1), initial]
        terms = _terms(op)
        if terms is None:
            return values
        summed = _SUMMED_OPERANDS.get(kind, len(values) // 2)
        return [self._summed(op, value, terms) if i < summed else value for i, value in enumerate(values)]

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        kind = kind_of(op)
        if kind in EXACT or (kind in SUMS and not _adds(op)):
            return values
        terms = _terms(op)
        summed = 1.0 if terms is None else max(1.0, _IN_A_ROW * math.sqrt(terms))
        roundings = _ROUNDINGS.get(kind, summed if kind in SUMS or terms is not None else _OTHER_ROUNDINGS)
        return [
            self._perturbed(value, self._amplitude, roundings * _COARSER.get(element_of(result.type), 0.0))
            for value, result in zip(values, op.results, strict=True)
        ]

    def regions_are_plain(self, op: Any) -> bool:
        return kind_of(op) not in FLOW

    def _summed(self, op: Any, value: Any, terms: int) -> Any:
        """An operand of which so many terms are added to each result."""
        coarser = max(_COARSER.get(element_of(result.type), 0.0) for result in op.results)
        if kind_of(op) in _SUMMED_OPERANDS and coarser < _COARSER.get(element_of(value.type), 0.0):
            # Noise of a sum in f32 would be lost in an operand of bf16.
            value = stablehlo.convert(ir.RankedTensorType.get(shape_of(value.type), ir.F64Type.get()), value)
        return self._perturbed(value, self._amplitude, math.sqrt(terms) * coarser)

    def _untied(self, value: Any) -> Any:
        if element_of(value.type) != "f64":
            return value
        self.chooses = True
        moved = self._perturbed(value, self._ties, 1.0)
        one = stablehlo.constant(ir.DenseElementsAttr.get_splat(value.type, ir.FloatAttr.get(ir.F64Type.get(), 1.0)))
        least = ir.DenseElementsAttr.get_splat(value.type, ir.FloatAttr.get(ir.F64Type.get(), _TIE))
        drawn = stablehlo.subtract(self._perturbed(one, self._ties, 1.0), one)
        return stablehlo.add(moved, stablehlo.multiply(drawn, stablehlo.constant(least)))

    def _perturbed(self, value: Any, amplitude: Any, times: float) -> Any:
        """value * (1 + amplitude * times * r), in the value's own type."""
        shape, element = shape_of(value.type), element_of(value.type)
        if times == 0.0 or 0 in shape or element not in _COARSER:
            return value
        wide = ir.RankedTensorType.get(shape, ir.F64Type.get())
        x = value if element == "f64" else stablehlo.convert(wide, value)
        self._drawn += 1
        key = stablehlo.add(self._seed, _constant(self._drawn * 3266489917 % 2**32, unsigned=True))
        scaled = stablehlo.multiply(amplitude, _constant(times * _DEVIATION))
        y = func.CallOp([wide], self._function(shape), [x, scaled, key]).result
        return y if element == "f64" else stablehlo.convert(value.type, y)

    def _function(self, shape: tuple[int, ...]) -> str:
        """Name of the function that perturbs a tensor of that shape, written when it is first asked for."""
        name = "_".join(["perturb", *map(str, shape)])
        if name not in self._functions:
            self._functions.add(name)
            text = _FUNCTION.format(
                name=name,
                shape="".join(f"{size}x" for size in shape),
                count=math.prod(shape),
            )
            written = ir.Module.parse(text)  # has to outlive its operations
            (function,) = written.body.operations
            function.operation.clone(ir.InsertionPoint(self._module.body))
        return name


def _constant(value: float, *, unsigned: bool = False) -> Any:
    element = ir.IntegerType.get_unsigned(32) if unsigned else ir.F64Type.get()
    number = ir.IntegerAttr.get(element, int(value)) if unsigned else ir.FloatAttr.get(element, value)
    return stablehlo.constant(ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get([], element), number))


def choices(op: Any) -> frozenset[int]:
    """Numbers of the operands by which an operation chooses, where any of several equal elements may be chosen.

    A pool's gradient, a sort that is not stable, and a reduction of several operands whose function does not compare
    all of them: one that compares positions as well, as JAX's argmax, leaves nothing open.
    """
    kind, count = kind_of(op), len(op.operands)
    if kind == "select_and_scatter":
        return frozenset({0})
    if kind == "sort" and count > 1:
        stable = "is_stable" in op.attributes and ir.BoolAttr(op.attributes["is_stable"]).value
        arguments = list(op.regions[0].blocks[0].arguments)
        return frozenset() if stable else _compared([arguments[2 * i : 2 * i + 2] for i in range(count)])
    if kind in ("reduce", "reduce_window") and count > 2:
        arguments = list(op.regions[0].blocks[0].arguments)
        found = _compared([[arguments[i], arguments[count // 2 + i]] for i in range(count // 2)])
        return found if len(found) < count // 2 else frozenset()
    return frozenset()


def _compared(pairs: list[list[Any]]) -> frozenset[int]:
    """Numbers of the pairs of arguments of a function that something is compared by."""
    return frozenset(i for i, pair in enumerate(pairs) if any(_reaches_compare(argument) for argument in pair))


def _reaches_compare(value: Any) -> bool:
    owners = [use.owner for use in value.uses]
    return any(kind_of(op) == "compare" or any(map(_reaches_compare, op.results)) for op in owners)


def _adds(op: Any) -> bool:
    """Whether what an operation does with its elements rounds: a maximum does not."""
    region = op.regions[-1]  # of select_and_scatter the second one is that which adds
    return any(kind_of(inner) not in EXACT for inner in region.blocks[0].operations)


def _terms(op: Any) -> int | None:
    """Number of terms that are added to one element of the result; None for what adds none."""
    kind = kind_of(op)
    if kind == "dot_general":
        numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
        shape = shape_of(op.operands[0].type)
        contracted: list[int] = list(numbers.lhs_contracting_dimensions)
        return math.prod(shape[axis] for axis in contracted)
    if kind == "dot":
        return shape_of(op.operands[0].type)[-1]
    if kind in ("triangular_solve", "cholesky"):
        return shape_of(op.operands[0].type)[-1]
    if kind == "convolution":
        axis: int = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"]).kernel_output_feature_dimension
        weights = shape_of(op.operands[1].type)
        return math.prod(weights) // max(1, weights[axis])
    if kind == "reduce" and _adds(op):
        return math.prod(shape_of(op.operands[0].type)) // max(1, math.prod(shape_of(op.results[0].type)))
    if kind == "reduce_window" and _adds(op):
        window: list[int] = list(ir.DenseI64ArrayAttr(op.attributes["window_dimensions"]))
        return math.prod(window)
    return None
