"""Whether a trial of phase 2 is as near to a trace as two right runs are: by the verdict's own measure and bounds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from harness.spec.netspec import DType
from harness.trace.format import StepLine, Trace, TraceHeader, to_number
from harness.verdict.cause import PARTS
from harness.verdict.channels import Channels, Part, part_of, shared_channels
from harness.verdict.f64_check import SAME
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.excess import by_bounds, shares
from harness.verdict.rounding.measure import faint, measure

# The keys of a step that a trial gives, where the trace has them.
NORMS = ("grad_norms", "param_norms", "update_norms", "stat_norms")
PROJECTIONS = ("grad_projections", "update_projections")
WHOLE_NORMS = {"grad_norm": "grad_norms", "param_norm": "param_norms", "update_norm": "update_norms"}
Position = tuple[int, Part]
_TOLD = ("largest", "typical", "least")
# The bounds were fitted on programs under the default conventions. Others round a little differently, and amplify it
# differently: with centred pixels more units are close to the bend of their activation. So the first steps decide.
SWITCHED, SWITCHED_LATER, _FIRST_STEPS = 2.0, 20.0, 3


@dataclass(frozen=True)
class Reading:
    """One step of a trial, or its loss alone. `tensors`: by key of a trace's step, numbers by tensor. Units: nats.

    `provisional`: had for little; another reading of the step follows.
    """

    t: int
    loss: float
    rate: float
    tensors: dict[str, dict[str, float]] | None = None
    provisional: bool = False


@dataclass(frozen=True)
class Figure:
    """How far apart a trial and the trace are in one respect at one step, relatively, and how far right runs may be.

    `channel`: where that is. `statistic`: over which of the tensors of its kind; see `Apart`.
    """

    step: int
    kind: str
    statistic: str
    channel: str
    relative: float
    allowed: float

    @property
    def key(self) -> tuple[int, str, str]:
        """The same for the same respect of another trial."""
        return self.step, self.kind, self.statistic

    @property
    def position(self) -> Position:
        """Its step and part of the training step."""
        return self.step, part_of(self.channel)

    @property
    def place(self) -> str:
        """For people: `step 1, update of dense1.w`."""
        step, part = self.position
        tensor = self.channel.partition(":")[2]
        if not tensor or self.statistic == "largest":
            return f"step {step}, {part}{' of ' + tensor if tensor else ''}"
        which = "median of the tensors" if self.statistic == "typical" else "tensor that agrees best"
        return f"step {step}, {part}, {which}"

    @property
    def excess(self) -> float:
        """In units of what is allowed; infinite where a value is not a number."""
        excess = self.relative / self.allowed if self.relative else 0.0
        return excess if np.isfinite(excess) or self.allowed == np.inf else float("inf")


@dataclass(frozen=True)
class TrialJudgement:
    """Every figure of a trial, and `worst`: of those at the first position beyond its bounds, the furthest beyond."""

    figures: tuple[Figure, ...] = field(repr=False)
    worst: Figure | None

    @property
    def told(self) -> Figure | None:
        """For people: of the figures beyond their bounds at the position of the worst, the one that names most."""
        beyond = [f for f in self.figures if f.position == self.failed_at and not f.relative <= f.allowed]
        return min(beyond, key=lambda f: (_TOLD.index(f.statistic), -f.excess), default=None)

    @property
    def failed_at(self) -> Position | None:
        """The first position beyond bounds; None when nothing is."""
        return self.worst.position if self.worst is not None else None

    @property
    def excess(self) -> float:
        """Of the worst figure, or of the one that is closest to its bound."""
        return max((f.excess for f in ([self.worst] if self.worst else self.figures)), default=0.0)

    def relative(self, key: tuple[int, str, str]) -> float | None:
        """The figure of a respect, None where there is none."""
        return next((figure.relative for figure in self.figures if figure.key == key), None)


def order(position: Position) -> tuple[int, int]:
    """A key that sorts positions in the order in which a difference of one explains those of the next."""
    return position[0], PARTS.index(position[1])


class Judge:
    """Judges trials against a trace. `header`: the facts of the trial's header. `steps`: at most so many are judged."""

    def __init__(self, b: Trace, header: dict[str, Any], dtype: DType, steps: int) -> None:
        self.b, self.dtype, self.bounds = b, dtype, fitted_bounds()
        self.steps = min(steps, b.steps, self.bounds.steps if dtype == "f32" else steps)
        self._header = msgspec.convert(header, TraceHeader)
        self._tensors = len(header["params"])
        # The bounds were fitted on CPUs, and a trial is of one.
        self._factor = 1.0 if b.header.backend == "cpu" else self.bounds.device

    def keys(self, t: int) -> frozenset[str]:
        """The keys that the trace has at step t, those of a whole norm by the norms that it consists of."""
        line = self.b.lines.get(t) if t <= self.steps else None
        if line is None:
            return frozenset()
        own = {key for key in (*NORMS, *PROJECTIONS) if getattr(line, key)}
        own |= {parts for key, parts in WHOLE_NORMS.items() if getattr(line, key) is not None}
        scales = {key.replace("projections", "norms") for key in own if key in PROJECTIONS}
        return frozenset(own | scales)

    def judged(self, readings: Sequence[Reading], *, switched: bool = False) -> TrialJudgement:
        """Compare the first steps of a trial, as far as its readings go. `switched`: not of the default conventions."""
        steps = range(1, min(len(readings), self.steps) + 1)
        channels = shared_channels(self.trace(readings), self.b, steps)
        figures = tuple(self._in_f64(channels) if self.dtype == "f64" else self._in_f32(channels, switched))
        outside = [figure for figure in figures if not figure.relative <= figure.allowed]
        worst = min(outside, key=lambda f: (order(f.position), -f.excess), default=None)
        return TrialJudgement(figures, worst)

    def trace(self, readings: Sequence[Reading]) -> Trace:
        """Readings as a trace in memory."""
        lines: dict[int, StepLine] = {}
        for r in readings:
            if r.tensors is not None:
                given: dict[str, Any] = {
                    key: {name: to_number(x) for name, x in numbers.items()} for key, numbers in r.tensors.items()
                }
                lines[r.t] = StepLine(
                    kind="step", step=r.t, epoch=0, loss=to_number(r.loss), lr=to_number(r.rate), **given
                )
        loss, rates = (np.array([getattr(r, of) for r in readings], np.float64) for of in ("loss", "rate"))
        return Trace("phase 2", self._header, np.zeros(len(readings), np.int64), loss, rates, lines=lines)

    def _in_f32(self, channels: Channels, switched: bool) -> Iterator[Figure]:
        """By the bounds of the verdict."""
        measured = list(measure(channels))
        allowance = by_bounds(self.bounds, measured, self._tensors, self._factor)
        for share in shares(measured, allowance):
            apart, allowed = share.apart, share.allowed
            if switched:
                allowed *= SWITCHED if apart.step <= _FIRST_STEPS else SWITCHED_LATER
            yield Figure(apart.step, apart.kind, share.statistic, apart.channel, share.relative, allowed)

    def _in_f64(self, channels: Channels) -> Iterator[Figure]:
        """By channel; what is made of a gradient that is nothing but rounding is left out."""
        relative, told = channels.relative, channels.both & ~faint(channels, SAME)
        for row, step in enumerate(channels.steps):
            for column in np.flatnonzero(told[row]):
                name = channels.names[column]
                yield Figure(step, name, "largest", name, float(relative[row, column]), SAME)
