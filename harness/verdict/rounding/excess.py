"""What of a pair is further apart than rounding brings right pairs, and what comes closest to it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.verdict.channels import GRAD
from harness.verdict.rounding.bounds import RoundingBounds
from harness.verdict.rounding.measure import STATISTICS, Apart

# allowance(statistic, Apart) -> how far apart that may be
Allowance = Callable[[str, Apart], float]


@dataclass(frozen=True)
class Share:
    """A figure of a pair and its bound. `statistic`: which figure of `apart` it is."""

    apart: Apart
    statistic: str
    allowed: float

    @property
    def relative(self) -> float:
        """The figure."""
        return float(getattr(self.apart, self.statistic))

    @property
    def share(self) -> float:
        """The part of what is allowed; infinite where a value is not a number."""
        share = self.relative / self.allowed
        return share if np.isfinite(share) else float("inf")


def by_bounds(bounds: RoundingBounds, measured: Sequence[Apart], tensors: int | None, factor: float) -> Allowance:
    """The fitted bounds of pairs like this one, times a factor. `tensors`: of the network, None where nobody knows."""
    classes = bounds.classes(tensors, first_gradients(measured), factor)
    return lambda statistic, apart: factor * bounds.allowed(statistic, apart.kind, apart.step, classes)


def first_gradients(measured: Sequence[Apart]) -> float | None:
    """Their typical difference at step 1, by vectors where both sides have projections; None where nothing tells."""
    first = {apart.kind: apart.typical for apart in measured if apart.step == 1}
    return first.get("gradients", first.get(GRAD))


def shares(measured: Iterable[Apart], allowance: Allowance) -> list[Share]:
    """Every figure with its bound, in the order of what was measured, the largest difference of each first.

    Figures of one tensor are one, the largest.
    """
    return [
        Share(apart, statistic, allowance(statistic, apart))
        for apart in measured
        for statistic in reversed(STATISTICS)
        if statistic == "largest" or apart.tensors > 1
    ]


def beyond(found: Sequence[Share]) -> list[Share]:
    """Those beyond their bounds."""
    return [share for share in found if not share.relative <= share.allowed]
