"""Later steps of free runs: rounding has grown there to the size of the values, and only what lasts tells anything."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.trace.format import Floats
from harness.verdict.channels import Channels
from harness.verdict.rounding.measure import measure

BLOCK = 128  # steps of which the losses are compared together
SHORT = 64  # steps below which a block is a short one
FEWEST = 16  # that tell anything
_LEAST_LOSS = 1e-6  # smaller ones, and those that are not positive, count as that. Units: nats
_FEWEST_NORMS = 8  # steps with norms


class LaterBounds(msgspec.Struct, kw_only=True, frozen=True):
    """The furthest that right free runs have been apart past their first steps, times `margin`.

    `loss`: the median of |log(a / b)| in any block of steps; `loss_short`: in a short one. `epoch_mean`: |log(a / b)|
    of the mean losses of an epoch.
    `any_step`, `half`: by kind of channel, the typical difference of a step, at most and in the median of the steps.
    `fitted_on`: the runs.
    """

    margin: float
    loss: float
    loss_short: float
    epoch_mean: float
    any_step: dict[str, float]
    half: dict[str, float]
    fitted_on: dict[str, object]


@dataclass(frozen=True)
class BlockRatio:
    """The losses of A over those of B in steps `first` to `last`: exp of the median of log(a / b)."""

    first: int
    last: int
    log_ratio: float

    @property
    def is_short(self) -> bool:
        return self.last - self.first + 1 < SHORT


def block_ratios(a: Floats, b: Floats, first: int) -> Iterator[BlockRatio]:
    """Of each block from step `first` on; what is left over belongs to the last one. Left out are steps at which a loss
    is no finite number.

    Shapes: a, b (steps,), from step 1 on.
    """
    last = len(a)
    starts = list(range(first, last + 1, BLOCK))
    if len(starts) > 1 and last - starts[-1] + 1 < SHORT:
        starts.pop()
    for start in starts:
        end = last if start == starts[-1] else start + BLOCK - 1
        x, y = a[start - 1 : end], b[start - 1 : end]
        told = np.isfinite(x) & np.isfinite(y)
        if told.sum() >= FEWEST:
            ratio = np.maximum(x[told], _LEAST_LOSS) / np.maximum(y[told], _LEAST_LOSS)
            yield BlockRatio(start, end, float(np.median(np.log(ratio))))


@dataclass(frozen=True)
class KindApart:
    """The typical difference of a kind's tensors over some later steps: the largest, its step, and the median."""

    kind: str
    any_step: float
    at: int
    half: float
    steps: int


def kinds_apart(channels: Channels) -> Iterator[KindApart]:
    """Of each kind that has values at enough steps; `half` is NaN for one that has fewer."""
    kinds: dict[str, dict[int, float]] = {}
    for apart in measure(channels):
        kinds.setdefault(apart.kind, {})[apart.step] = apart.typical
    for kind, by_step in kinds.items():
        at = max(by_step, key=lambda step: (np.isnan(by_step[step]), by_step[step]))
        half = float(np.median(list(by_step.values()))) if len(by_step) >= _FEWEST_NORMS else float("nan")
        yield KindApart(kind, by_step[at], at, half, len(by_step))
