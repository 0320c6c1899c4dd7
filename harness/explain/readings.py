"""What can be read of a training step, and how near two readings must be to differ by rounding only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.spec.netspec import DType
from harness.trace.format import Floats, Number, StepLine, Trace
from harness.verdict.channels import LOSS
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.tolerance import Bools, find_resolution

Kind = Literal["loss", "grad", "update"]
Place = tuple[int, Kind]
KINDS: tuple[Kind, ...] = ("loss", "grad", "update")  # in the order in which a step gives them
# Relative to the reading. The first is that of the ladder; the second some units in the last place.
ROUNDING: dict[DType, float] = {"f64": 1e-9, "f32": 8 * float(np.finfo(np.float32).eps)}
# How far beyond what rounding did to a few twins it may do to others: it is discrete and heavy-tailed.
MARGIN = 10.0
_FLOOR = 1e-3


@dataclass(frozen=True)
class Reading:
    """What step `t` says of one kind. Shapes: values (1,) of a loss, (parameters,) of norms."""

    t: int
    kind: Kind
    values: Floats

    @property
    def place(self) -> Place:
        """Where it is in a run."""
        return self.t, self.kind


def order(place: Place) -> tuple[int, int]:
    """Places in the order of a run."""
    return place[0], KINDS.index(place[1])


@dataclass(frozen=True)
class Readings:
    """All that a run says, by place; a parameter of which it says nothing is NaN.

    `resolution`: how coarsely losses were printed, 0 when no coarser than they were computed.
    """

    names: tuple[str, ...]
    values: dict[Place, Floats]
    steps: int
    resolution: float = 0.0

    @classmethod
    def of(cls, trace: Trace, names: Sequence[str], steps: int) -> "Readings":
        """The first steps of a trace, norms of the parameters of those names."""
        values: dict[Place, Floats] = {(t, "loss"): trace.loss[t - 1 : t] for t in range(1, steps + 1)}
        for t, line in trace.lines.items():
            if t > steps:
                continue
            for kind in ("grad", "update"):
                norms = _norms(line, kind)
                found = np.array([float(norms.get(name, "NaN")) for name in names])
                if np.isfinite(found).any():
                    values[t, kind] = found
        return cls(tuple(names), values, steps, find_resolution(trace.loss[:steps]) or 0.0)

    def normed(self, t: int) -> bool:
        """Whether step t has norms of any kind."""
        return (t, "grad") in self.values or (t, "update") in self.values


def _norms(line: StepLine, kind: Kind) -> dict[str, Number]:
    return (line.grad_norms if kind == "grad" else line.update_norms) or {}


@dataclass(frozen=True)
class Allowance:
    """How far apart readings may be by rounding: relative, and what it did to twins one unit in the last place apart.

    `parts`: relative too, by place and channel, as an envelope has it. `spread`: what the twins say, not relative. Both
    are empty where there are none.
    """

    relative: float
    resolution: float = 0.0
    spread: dict[Place, Floats] = field(default_factory=dict)
    parts: dict[Place, Floats] = field(default_factory=dict)

    @classmethod
    def by_envelope(cls, envelope: Envelope, names: Sequence[str], relative: float, resolution: float) -> "Allowance":
        """What an envelope allows in the steps that it judges; a channel that it lacks is not held to anything."""
        allowed = envelope.allowance()
        column = {channel: i for i, channel in enumerate(envelope.channels)}
        parts: dict[Place, Floats] = {}
        for t in range(1, envelope.judged + 1):
            for kind in KINDS:
                wanted = [LOSS] if kind == "loss" else [f"{kind}:{name}" for name in names]
                found = [allowed[t - 1, column[channel]] if channel in column else np.inf for channel in wanted]
                parts[t, kind] = np.array(found)
        return cls(relative, resolution, parts=parts)

    def excess(self, reading: Reading, other: Floats, dead: Bools | None = None) -> float:
        """The largest difference of two readings in units of what is allowed; infinite where one is not finite.

        What `other` does not have is passed over, and so is what is `dead`: true where a parameter's gradient is noise.
        """
        values = reading.values
        with np.errstate(all="ignore"):
            larger = np.maximum(np.abs(values), np.abs(other))
            total = np.sqrt(np.nansum(larger**2) / len(larger))
            relative = np.maximum(self.relative, self.parts.get(reading.place, 0.0))
            allowed = relative * np.maximum(larger, _FLOOR * total)
            allowed = allowed + self.spread.get(reading.place, 0.0)
            if reading.kind == "loss":
                allowed = allowed + self.resolution
            ratio = np.abs(values - other) / allowed
        ratio[values == other] = 0.0
        compared = ~np.isnan(other) if reading.kind != "loss" else np.ones(1, bool)
        if dead is not None:
            compared &= ~dead
        ratio = np.where(np.isnan(ratio), np.inf, ratio)[compared]
        return float(ratio.max(initial=0.0))


def noise(gradient: Floats) -> Bools:
    """Where a gradient is so much smaller than the others that only rounding is left, which Adam turns into moves."""
    total = np.sqrt(np.sum(gradient**2) / len(gradient))
    return np.asarray(gradient <= 1e-9 * total)


def spread_of(base: Sequence[Reading], twins: Sequence[Sequence[Reading]]) -> dict[Place, Floats]:
    """What rounding did to twins up to each place and one step beyond, times the margin.

    A unit that flips in one run flips a step later in another.
    """
    spread: dict[Place, Floats] = {}
    for kind in KINDS:
        steps = [i for i, reading in enumerate(base) if reading.kind == kind]
        apart = [np.max([np.abs(twin[i].values - base[i].values) for twin in twins], axis=0) for i in steps]
        for n, i in enumerate(steps):
            spread[base[i].place] = MARGIN * np.max(apart[: n + 2], axis=0)
    return spread
