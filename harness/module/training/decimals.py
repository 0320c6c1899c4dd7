"""The step in f64 as its author means it: a constant that is a short decimal is that decimal.

0.9 in f32 is 2.6e-8 off. The network's own programs have 0.9 in f64, and a step that kept the f32 number could not
agree with them to more than that.
"""

from typing import Any

import numpy as np

from harness.module.clone import Widener
from harness.module.mlir import ir

_DIGITS = 6  # of a decimal that people write; one f32 number in thirty is as short by chance


class DecimalWidener(Widener):
    """The same program in f64, with constants that are one short decimal at full precision; others keep their f32."""

    rounds = False  # the network's own programs do not

    def _attribute(self, op: Any, attribute: Any) -> Any:
        made = super()._attribute(op, attribute)
        if isinstance(attribute, ir.FloatAttr) and made.type != attribute.type:
            return ir.FloatAttr.get(made.type, meant(attribute.value))
        if isinstance(attribute, ir.DenseElementsAttr) and made.type != attribute.type and attribute.is_splat:
            value = meant(attribute.get_splat_value().value)
            kind = ir.RankedTensorType(made.type).element_type
            return ir.DenseElementsAttr.get_splat(made.type, ir.FloatAttr.get(kind, value))
        return made


def meant(value: float) -> float:
    """The decimal that an f32 number was written as, where it is a short one; else the number."""
    written = np.format_float_scientific(np.float32(value))
    digits = written.partition("e")[0].lstrip("-").replace(".", "").strip("0")
    return float(written) if np.isfinite(value) and len(digits) <= _DIGITS else value
