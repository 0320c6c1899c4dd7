"""What of a pair is further apart than rounding brings right pairs, and what comes closest to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.verdict.channels import GRAD, Channels
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.rounding.bounds import RoundingBounds
from harness.verdict.rounding.measure import STATISTICS, Apart, measure_step, told_in

REACHED_FACTOR = 2  # a pair may be further apart than any member of an ensemble is from its reference
# allowance(statistic, Apart) -> how far apart that may be
Allowance = Callable[[str, Apart], float]


@dataclass(frozen=True)
class Share:
    """A figure of a pair and its bound. `statistic`: which figure of `apart` it is.

    `measured`: the bound was measured for this run, see `or_reached`.
    """

    apart: Apart
    statistic: str
    allowed: float
    measured: bool = False

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
    until = gradients_until(measured)

    def allowance(statistic: str, apart: Apart) -> float:
        classes = bounds.classes(tensors, until.get(apart.step), factor)
        return factor * bounds.allowed(statistic, apart.kind, apart.step, classes)

    return allowance


def or_reached(found: Iterable[Share], envelope: Envelope, channels: Channels) -> Iterator[Share]:
    """The figures, each with the bound of twice what it is of an envelope's members where that is more.

    `channels`: those of the pair. What tells nothing in it, or what the envelope does not know, counts for nothing.
    """
    reached: dict[tuple[int, str], Apart] = {}
    for step, told, row in zip(channels.steps, told_in(channels), envelope.reached, strict=False):
        known = dict(zip(envelope.channels, row, strict=True))
        there = [name for name, here in zip(channels.names, told, strict=True) if here and name in known]
        reached |= {(step, apart.kind): apart for apart in measure_step(step, {name: known[name] for name in there})}
    for share in found:
        apart = reached.get((share.apart.step, share.apart.kind))
        measured = 0.0 if apart is None else REACHED_FACTOR * float(getattr(apart, share.statistic))
        yield replace(share, allowed=measured, measured=True) if measured > share.allowed else share


def gradients_until(measured: Sequence[Apart]) -> dict[int, float]:
    """By step, the largest typical difference of the gradients of any step up to it.

    By vectors where both sides have projections. Steps before the first that has gradients are left out.
    """
    by_step: dict[int, dict[str, float]] = {}
    for apart in measured:
        by_step.setdefault(apart.step, {})[apart.kind] = apart.typical
    until: dict[int, float] = {}
    largest = None
    for step, kinds in sorted(by_step.items()):
        here = kinds.get("gradients", kinds.get(GRAD))
        if here is not None:
            largest = here if largest is None else float(np.fmax(largest, here))
        if largest is not None:
            until[step] = largest
    return until


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
