"""The f64 version within the range of f32: what is too large there is infinite, and what is too small is zero.

Both are versions of their own. Most executors take what is below the smallest normal number for zero, be it an operand
or a result: what then comes of it, however large (a quotient by it, its root), is rounding.

An executor that computes in f32 overflows where f64 does not, and what comes of it is no fault: one has infinity where
another has no number. Where this version differs from the f64 one, so may every right executor.
"""

from typing import Any

import numpy as np

from harness.module.clone import Widener
from harness.module.mlir import element_of, ir, kind_of, stablehlo
from harness.module.noise import EXACT, FLOW

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class WithinRange(Widener):
    """The f64 version, every f32 result of which is infinite, or zero, where f32 would be."""

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        if kind_of(op) in EXACT:
            return values
        kinds = [element_of(result.type) for result in op.results]
        return [_kept(value) if kind == "f32" else value for value, kind in zip(values, kinds, strict=True)]

    def regions_are_plain(self, op: Any) -> bool:
        return kind_of(op) not in FLOW


class Flushed(Widener):
    """The f64 version, in which f32 operands and results of arithmetic below the smallest normal number are zeros."""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        return self._of(op, op.operands, values)

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        return self._of(op, op.results, values)

    def regions_are_plain(self, op: Any) -> bool:
        return kind_of(op) not in FLOW

    def _of(self, op: Any, originals: Any, values: list[Any]) -> list[Any]:
        if kind_of(op) in EXACT:
            return values
        kinds = [element_of(one.type) for one in originals]
        return [_flushed(value) if kind == "f32" else value for value, kind in zip(values, kinds, strict=True)]


def _flushed(value: Any) -> Any:
    zero = stablehlo.multiply(value, _splat(value, 0.0))  # of the same sign
    return stablehlo.select(_compared(stablehlo.abs(value), "LT", _SMALLEST), zero, value)


def _kept(value: Any) -> Any:
    size = stablehlo.abs(value)
    infinite = stablehlo.multiply(stablehlo.sign(value), _splat(value, np.inf))
    bounded = stablehlo.select(_compared(size, "GT", _LARGEST), infinite, value)
    return stablehlo.select(_compared(size, "LT", _SMALLEST), _splat(value, 0.0), bounded)


def _compared(value: Any, how: str, number: float) -> Any:
    return stablehlo.compare(value, _splat(value, number), stablehlo.ComparisonDirectionAttr.get(how))


def _splat(value: Any, number: float) -> Any:
    return stablehlo.constant(ir.DenseElementsAttr.get_splat(value.type, ir.FloatAttr.get(ir.F64Type.get(), number)))
