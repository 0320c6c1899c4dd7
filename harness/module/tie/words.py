"""The words of a tie, and the records that hold them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.module.task import Array

TieWord = Literal["tied", "apart in f32", "apart", "no number"]
F64_ROUNDING = 1e-9  # relative to the norm of a tensor
SLACK = 4.0  # times what rounded constants do, which some members measure
ROUNDED_IN_F32 = 16.0  # ratio from which a difference in f32 is none of rounding, as in a check
_FLOOR = 1e-7  # of the largest tensor: a gradient that is zero but for rounding has no norm to speak of


@dataclass(frozen=True)
class TiedTensor:
    """A gradient, an update or a result of both sides.

    `error`, `allowed`: in f64, relative to its norm; `ratio`: of the difference in f32 over what rounding does, NaN
    where it was not measured; `source`: what it was read off.
    """

    name: str
    source: str
    error: float
    allowed: float
    ratio: float = math.nan

    @property
    def word(self) -> TieWord:
        """Of this tensor."""
        if math.isnan(self.error) or not math.isfinite(self.allowed):
            return "no number"
        if self.error > self.allowed:
            return "apart"
        return "apart in f32" if self.ratio >= ROUNDED_IN_F32 else "tied"


@dataclass(frozen=True)
class Tie:
    """A module against a function or another module. `explained`: what would close the gap; `notes`: for the reader.

    `failure`: why nothing was compared.
    """

    module: str
    against: str
    tensors: tuple[TiedTensor, ...] = ()
    explained: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str = ""

    @property
    def exit_code(self) -> int:
        """0 tied, 1 apart, 3 nothing was compared."""
        words = {tensor.word for tensor in self.tensors}
        if words & {"apart", "apart in f32"}:
            return 1
        return 0 if words and "no number" not in words and not self.failure else 3


def scales(*sides: Sequence[Array]) -> list[float]:
    """What the errors of tensors are relative to: their norm on either side, no smaller than a floor."""
    norms = [max(_norm(array) for array in arrays) for arrays in zip(*sides, strict=True)]
    floor = _FLOOR * max((norm for norm in norms if math.isfinite(norm)), default=0.0)
    return [max(norm, floor) or 1.0 for norm in norms]


def distance(one: Array, other: Array) -> float:
    """Norm of the difference; NaN where a number is not finite on both sides."""
    return _norm(np.asarray(one, np.float64) - np.asarray(other, np.float64))


def _norm(array: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.linalg.norm(np.asarray(array, np.float64).ravel()))
