"""Whole right runs: how far their mean losses of an epoch and their final accuracies scatter by rounding alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.trace.format import TraceHeader

_DECADES = (0.1, 0.01, 0.001)  # mean losses from which on there is a bound of their own. Units: nats


class Ensemble(msgspec.Struct, kw_only=True, frozen=True):
    """Whole right runs of one network and configuration, several of each start.

    `netspec_hash`, `config`: of the network. `runs`, `starts`: how many. `epochs`: the standard deviation of the
    logarithm of the mean loss of each epoch, among runs of one start; `accuracy`: that of the final accuracy. `times`:
    so many deviations two runs may be apart, at `rate` pairs that are and are right.

    Units: accuracy in points of 100.
    """

    network: str
    netspec_hash: str
    config: dict[str, Any]
    runs: int
    starts: int
    epochs: list[float]
    accuracy: float
    times: float
    rate: float

    def is_of(self, headers: Sequence[TraceHeader]) -> bool:
        """Whether runs with these headers are of its network and configuration."""
        return all(
            header.netspec_hash == self.netspec_hash
            and all(header.config.get(key) == value for key, value in self.config.items())
            for header in headers
        )

    def epoch_mean(self, epoch: int) -> float | None:
        """The largest |log(a / b)| of the mean losses of an epoch, from 0; None of one that it has not."""
        return self.times * self.epochs[epoch] if 0 <= epoch < len(self.epochs) else None

    @property
    def points(self) -> float:
        """The largest difference of two accuracies. Units: points of 100."""
        return self.times * self.accuracy


def decade_of(mean: float) -> int:
    """The class of a mean loss, of which the last has the smallest: right runs are further apart the less is lost."""
    return sum(mean < least for least in _DECADES)


def epoch_bounds(reached: Mapping[int, float], first: float, margin: float) -> list[float]:
    """By class, the largest |log(a / b)| of right runs or `first`, times the margin; never falling."""
    bounds, furthest = [], first
    for decade in range(len(_DECADES) + 1):
        furthest = max(furthest, reached.get(decade, 0.0))
        bounds.append(margin * furthest)
    return bounds


def share(logarithm: float) -> float:
    """The part of the larger value by which two are apart whose ratio has this logarithm."""
    return 1 - math.exp(-logarithm)
