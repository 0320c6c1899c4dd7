"""The f64 version of a module whose constants may be a rounding away from what was meant.

In a module of f32 a tenth is the f32 next to it. A function in f64 has the tenth itself, and both are right. So each
constant that looks rounded is multiplied by 1 + a r, and what that does to a result is no difference of meaning.
"""

import zlib
from typing import Any

import numpy as np

from harness.module.mlir import element_of, ir, shape_of, stablehlo
from harness.module.noise import NoisyWidener

_KEYS = 1 << 20  # of the numbers
_SHORT = 12  # bits: a number that needs no more of them was meant as it is


class ConstantsShaken(NoisyWidener):
    """Takes the arguments of `NoisyWidener`, and applies its noise to rounded constants alone."""

    rounds = False  # a function in f64 does not

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        return values

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name != "stablehlo.constant" or element_of(values[0].type) != "f64":
            return values
        attribute = op.attributes["value"]
        if not isinstance(attribute, ir.DenseElementsAttr):
            return values
        if not attribute.is_splat:
            return [self._perturbed(values[0], self._amplitude, 1.0)] if is_rounded(np.array(attribute)) else values
        number = ir.FloatAttr(attribute.get_splat_value()).value
        if not is_rounded(np.array(number)):
            return values
        # One number in all places, and wherever it is written: its rounding is the same everywhere.
        self._drawn = zlib.crc32(np.float64(number).tobytes()) % _KEYS
        single = ir.RankedTensorType.get([], ir.F64Type.get())
        one = stablehlo.constant(ir.DenseElementsAttr.get_splat(single, ir.FloatAttr.get(ir.F64Type.get(), number)))
        shaken = self._perturbed(one, self._amplitude, 1.0)
        if not shape_of(values[0].type):
            return [shaken]
        return [stablehlo.broadcast_in_dim(values[0].type, shaken, ir.DenseI64ArrayAttr.get([]))]

    def regions_are_plain(self, op: Any) -> bool:
        return op.operation.name not in ("stablehlo.while", "stablehlo.if", "stablehlo.case")


def is_rounded(values: np.ndarray[Any, Any]) -> bool:
    """Whether a finite number among these has more bits than one that is meant as it is."""
    finite = values[np.isfinite(values)].astype(np.float64)
    fraction, _ = np.frexp(finite)
    scaled = fraction * 2.0**_SHORT
    return bool(np.any(scaled != np.round(scaled)))
