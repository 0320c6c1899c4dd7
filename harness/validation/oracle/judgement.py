"""The criteria that two sides' numbers have to meet, and a sentence for each that is not met."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.run.inprocess import Moved, Step, Tensors
from harness.spec.netspec import DType, Optimizer

GRADIENT = {"f32": 5e-3, "f64": 1e-9}
LOSS_F64 = 1e-9
ULPS = 8.0
_FLOOR, _FAINT, _FLOOR_F64 = 1e-3, 3e-3, 0.1


@dataclass(frozen=True)
class Largest:
    """The greatest of some differences, and the tensor that has it."""

    value: float
    tensor: str

    def within(self, limit: float) -> bool:
        """True when it is at most the limit; a NaN never is."""
        return self.value <= limit


def gradient_difference(found: Tensors, reference: Tensors) -> Largest:
    """|g - r| / max(|r|, floor) of whole tensors, at its worst.

    The floor, a tenth of the root mean square of all in f64 and a thousandth in f32, is for gradients that are zero
    but for rounding: a bias in front of batch norm, an attention's key bias. In f32 a tensor that is below `_FAINT`
    of all on both sides is left to f64: a layer norm of constant rows magnifies rounding as far. Infinite where all
    of the reference is zero: nothing was compared then.
    """
    norms = {name: max(_norm(r), _norm(found[name])) for name, r in reference.items()}
    if not any(map(_norm, reference.values())):
        return Largest(math.inf, "every tensor")
    double = next(iter(reference.values())).dtype == np.float64
    rms = math.hypot(*norms.values()) / math.sqrt(len(norms))
    floor, least = (_FLOOR_F64 * rms, 0.0) if double else (_FLOOR * rms, _FAINT * rms)
    told = {name: r for name, r in reference.items() if not norms[name] < least}
    return _worst({name: _norm(found[name] - r) / max(_norm(r), floor) for name, r in told.items()})


def loss_differences(found: Sequence[Step], reference: Sequence[Step]) -> tuple[float, ...]:
    """|loss - reference| of each step, of a loss above one nat relatively."""
    return tuple(abs(a.loss - b.loss) / max(1.0, abs(b.loss)) for a, b in zip(found, reference, strict=True))


def update_difference(
    start: Tensors, found: Sequence[Moved], reference: Sequence[Moved], optimizer: Optimizer
) -> Largest:
    """The worst element's difference after any update, in units in the last place of what it is made of.

    A slot is a sum of terms no larger than twice its largest value so far, so its error is a few ulp of that. A
    parameter is itself minus a move: a few ulp of its largest value so far, and of the move as many times more as the
    optimizer magnifies a rounding error.
    """
    name = next(iter(start))
    ulp = np.finfo(start[name].dtype).eps
    tiny = np.finfo(start[name].dtype).tiny
    largest = {name: np.abs(p) for name, p in start.items()}
    moves = {name: np.zeros_like(p) for name, p in start.items()}
    before = start
    errors: dict[str, float] = {}
    for mine, theirs in zip(found, reference, strict=True):
        tensors = theirs.params | theirs.slots
        for name, b in tensors.items():
            a = mine.params[name] if name in theirs.params else mine.slots[name]
            largest[name] = np.maximum(largest.get(name, 0.0), np.abs(b))
            scale = largest[name]
            if name in theirs.params:
                moves[name] = np.maximum(moves[name], np.abs(b - before[name]))
                scale = scale + optimizer.magnification * moves[name]
            error = np.abs(a.astype(np.float64) - b) / (ulp * np.maximum(scale, tiny))
            errors[name] = float(np.maximum(errors.get(name, 0.0), error.max()))
        before = theirs.params
    return _worst(errors)


def complaints(
    dtype: DType, tolerance: float | None, gradient: Largest, losses: Sequence[float], optimizer: Largest
) -> list[str]:
    """A sentence for each criterion that is not met."""
    said = []
    allowed, limit = GRADIENT[dtype], LOSS_F64 if dtype == "f64" or tolerance is None else tolerance
    if rounding_decides(dtype, tolerance):
        allowed = limit = sys.float_info.max  # NaN and infinity are no rounding
    if not gradient.within(allowed):
        said.append(f"the gradient of {gradient.tensor} differs by {gradient.value:.2e}, {allowed:.0e} allowed")
    for step, delta in enumerate(losses, 1):
        if not delta <= limit:
            said.append(f"the loss of step {step} differs by {delta:.2e}, {limit:.0e} allowed")
    if not optimizer.within(ULPS):
        said.append(f"the update of {optimizer.tensor} differs by {optimizer.value:.1f} ulp, {ULPS:g} allowed")
    return said


def rounding_decides(dtype: DType, tolerance: float | None) -> bool:
    """True where gradients and losses are shown and not judged: a deep network in f32, where units flip."""
    return dtype == "f32" and tolerance is None


def _norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(x.astype(np.float64).ravel()))


def _worst(values: dict[str, float]) -> Largest:
    """A NaN is worse than any number."""
    tensor = max(values, key=lambda name: (math.isnan(values[name]), values[name]))
    return Largest(values[tensor], tensor)
