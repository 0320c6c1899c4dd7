"""Later steps of free runs: rounding has grown there to the size of the values, and only what lasts tells anything."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.verdict.channels import Channels
from harness.verdict.rounding.drift import FEW, SUSTAINED, Drift
from harness.verdict.rounding.measure import measure
from harness.verdict.rounding.whole import Ensemble

_FEWEST_NORMS = 8  # steps with norms


class LaterBounds(msgspec.Struct, kw_only=True, frozen=True):
    """The furthest that right free runs have been apart past their first steps, times `margin`.

    `jump`, `spike`, `correlation`, `windows`: of losses, as `drift` has them; windows by their length and age, where
    the last one stands for any later. Beyond these it cannot be told; beyond `margin` times as much, it is no rounding.
    `epoch_mean`: |log(a / b)| of the mean losses of an epoch, by class of those (`whole.decade_of`). `any_step`,
    `half`: by kind of channel, the typical difference of a step, at most and in the median of the steps. `ensembles`:
    of networks of which there are enough whole runs. `fitted_on`: the runs.
    """

    margin: float
    jump: float
    spike: float
    correlation: float
    windows: dict[str, list[float]]
    epoch_mean: list[float]
    any_step: dict[str, float]
    half: dict[str, float]
    ensembles: list[Ensemble]
    fitted_on: dict[str, object]

    def allowed(self, drift: Drift) -> float:
        """The bound of a figure."""
        match drift.kind:
            case "jump":
                return self.jump
            case "spike":
                return self.spike
            case "correlation":
                return self.correlation
        if drift.kind == SUSTAINED:  # right runs scatter to both sides, so that many steps are closer than a few
            return self._of_window(str(FEW), drift.age) / self.margin
        return self._of_window(drift.kind, drift.age)

    def _of_window(self, length: str, age: int) -> float:
        by_age = self.windows[length]
        return by_age[min(age, len(by_age) - 1)]


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
