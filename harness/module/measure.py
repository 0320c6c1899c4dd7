"""How far apart results are, and how far rounding alone moves them: the members of an ensemble about its reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.module.signature import TensorType
from harness.module.task import Array

_ROUNDOFF = {"bf16": 2.0**-8, "f16": 2.0**-11, "f32": 2.0**-24, "f64": 2.0**-53}
_SMALLEST = 2.0**-126  # smaller numbers may become zero on an executor


@dataclass(frozen=True)
class Size:
    """Of a difference: its Euclidean norm and its largest element; infinite where only one side is a finite number."""

    norm: float
    largest: float

    def grown(self, other: "Size") -> "Size":
        """The larger one, in each of both."""
        return Size(max(self.norm, other.norm), max(self.largest, other.largest))

    def within(self, other: "Size", times: float) -> bool:
        """Whether it is finite and no larger than so many times another, in each of both."""
        return np.isfinite(self.norm) and self.norm <= times * other.norm and self.largest <= times * other.largest


@dataclass(frozen=True)
class Spread(Size):
    """How far members are from the reference. `undecided`: elements that are a finite number in some of them only.

    Those are not in the size; None where there is no such element.
    """

    undecided: Array | None = None


NONE = Spread(0.0, 0.0)


def difference(value: Array, reference: Array) -> Size:
    """Of two arrays of one shape. NaN in the same places, and the same infinity, are no difference."""
    return _size(_apart(value, reference))


def compared(value: Array, reference: Array, spread: Spread) -> tuple[Size, int, int]:
    """The difference of what can be compared, how many elements that leaves out, and of how many nothing tells why.

    Where rounding decides whether an element is a finite number, it decides so for others too: all that are one on one
    side only are left out. Nothing tells why for those of them that are no undecided ones.
    """
    apart = _apart(value, reference)
    if spread.undecided is None:
        return _size(apart), 0, 0
    untold = np.isinf(apart) & ~spread.undecided
    left = untold | spread.undecided
    return _size(np.where(left, 0.0, apart)), int(left.sum()), int(untold.sum())


def _apart(value: Array, reference: Array) -> Array:
    """Distances by element, infinite where only one side is a finite number."""
    whole = all(np.asarray(one).dtype.kind in "iu" for one in (value, reference))
    a, b = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    same = np.equal(value, reference) if whole else (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart[np.isnan(apart)] = np.inf
    if whole:  # of 64 bits, f64 takes some that differ for the same
        apart = np.where(same, 0.0, np.maximum(apart, 1.0))
    return apart


def _size(values: Array) -> Size:
    if not values.size:
        return NONE
    largest = float(np.max(np.abs(values)))
    if largest in (0.0, np.inf):
        return Size(largest, largest)
    return Size(largest * float(np.linalg.norm((values / largest).ravel())), largest)


def finite_norm(values: Array) -> float:
    """Norm of the elements that are finite."""
    wide = np.asarray(values, np.float64)
    return _size(np.where(np.isfinite(wide), wide, 0.0)).norm


def smallest_bound(kind: TensorType, reference: Array) -> Size:
    """What the rounding of a result itself does: a unit roundoff of it, and what may be flushed to zero."""
    roundoff = _ROUNDOFF.get(kind.element, 0.0)
    if not roundoff:
        return NONE
    wide = np.asarray(reference, np.float64)
    size = _size(np.where(np.isfinite(wide), wide, 0.0))
    count = max(1, wide.size)
    return Size(roundoff * size.norm + _SMALLEST * count**0.5, roundoff * size.largest + _SMALLEST)


class TakesMembers(Protocol):
    """What takes the reference, and then one member after another."""

    def take(self, results: list[Array]) -> None:
        """The results of one more call."""


@dataclass
class NoisyEnsemble:
    """The reference, which is the first that it takes, and how far each later member is from it at most, by result."""

    reference: list[Array] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    members: int = 0

    def begun(self) -> "NoisyEnsemble":
        """Another one that begins with what this one has taken, and takes more without it."""
        return NoisyEnsemble(self.reference, list(self.spreads), self.members)

    def take(self, results: list[Array]) -> None:
        """The results of one more call."""
        if not self.reference:
            self.reference = results
            self.spreads = [NONE] * len(results)
            return
        self.members += 1
        moved = [_apart(one, other) for one, other in zip(results, self.reference, strict=True)]
        self.spreads = [_grown(spread, apart) for spread, apart in zip(self.spreads, moved, strict=True)]


def _grown(spread: Spread, apart: Array) -> Spread:
    """With one more member, so far from the reference."""
    undecided, infinite = spread.undecided, np.isinf(apart)
    if infinite.any():
        undecided = infinite if undecided is None else undecided | infinite
    if undecided is not None:
        apart = np.where(undecided, 0.0, apart)
    size = spread.grown(_size(apart))
    return Spread(size.norm, size.largest, undecided)


def ratios(
    results: Sequence[Array], reference: Sequence[Array], spreads: Sequence[Spread], kinds: Sequence[TensorType]
) -> list[float]:
    """By result: the error over what rounding does, by norm or by largest element, whichever is the larger."""
    found = []
    for result, exact, spread, kind in zip(results, reference, spreads, kinds, strict=True):
        error, bound = compared(result, exact, spread)[0], spread.grown(smallest_bound(kind, exact))
        found.append(max(_over(error.norm, bound.norm), _over(error.largest, bound.largest)))
    return found


def _over(error: float, bound: float) -> float:
    if error == 0.0:
        return 0.0
    return error / bound if bound > 0.0 else float("inf")
