"""Readings of a training step, and how far apart two of them may be by rounding only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.spec.netspec import DType
from harness.trace.format import Floats, Number, StepLine, Trace
from harness.verdict.channels import LOSS
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.resolution import find_resolution
from harness.verdict.tolerance import Bools

Kind = Literal["loss", "grad", "update"]
Position = tuple[int, Kind]
KINDS: tuple[Kind, ...] = ("loss", "grad", "update")  # in the order in which a step gives them
# Relative to the reading. The first is that of the f64 cross-check; the second some units in the last place.
ROUNDING: dict[DType, float] = {"f64": 1e-9, "f32": 8 * float(np.finfo(np.float32).eps)}
# The factor by which rounding may exceed what it did to a few perturbed copies: it is discrete and heavy-tailed.
MARGIN = 10.0
_FLOOR = 1e-3


@dataclass(frozen=True)
class Reading:
    """The values of one kind at step `t`. Shapes: values (1,) of a loss, (parameters,) of norms."""

    t: int
    kind: Kind
    values: Floats

    @property
    def position(self) -> Position:
        """Its step and kind."""
        return self.t, self.kind


def order(position: Position) -> tuple[int, int]:
    """A key that sorts positions in the order of a run."""
    return position[0], KINDS.index(position[1])


@dataclass(frozen=True)
class Readings:
    """All readings of a run, by position; a parameter without a norm is NaN.

    `resolution`: how coarsely losses were printed, 0 when no coarser than they were computed.
    """

    names: tuple[str, ...]
    values: dict[Position, Floats]
    steps: int
    resolution: float = 0.0

    @classmethod
    def of(cls, trace: Trace, names: Sequence[str], steps: int) -> "Readings":
        """The first steps of a trace, norms of the parameters of those names."""
        values: dict[Position, Floats] = {(t, "loss"): trace.loss[t - 1 : t] for t in range(1, steps + 1)}
        for t, line in trace.lines.items():
            if t > steps:
                continue
            for kind in ("grad", "update"):
                norms = _norms(line, kind)
                values_of_kind = np.array([float(norms.get(name, "NaN")) for name in names])
                if np.isfinite(values_of_kind).any():
                    values[t, kind] = values_of_kind
        return cls(tuple(names), values, steps, find_resolution(trace.loss[:steps]) or 0.0)

    def normed(self, t: int) -> bool:
        """Whether step t has norms of any kind."""
        return (t, "grad") in self.values or (t, "update") in self.values


def _norms(line: StepLine, kind: Kind) -> dict[str, Number]:
    return (line.grad_norms if kind == "grad" else line.update_norms) or {}


@dataclass(frozen=True)
class Allowance:
    """The distance that rounding may put between two readings: relative, and as measured with perturbed copies.

    `parts`: relative too, by position and channel, from an envelope. `spread`: absolute, from copies perturbed by 1
    ulp. Both are empty where there are none.
    """

    relative: float
    resolution: float = 0.0
    spread: dict[Position, Floats] = field(default_factory=dict)
    parts: dict[Position, Floats] = field(default_factory=dict)

    @classmethod
    def by_envelope(cls, envelope: Envelope, names: Sequence[str], relative: float, resolution: float) -> "Allowance":
        """The allowance of an envelope in the steps that it judges; a channel that it lacks has no bound."""
        allowed = envelope.allowance()
        column = {channel: i for i, channel in enumerate(envelope.channels)}
        parts: dict[Position, Floats] = {}
        for t in range(1, envelope.judged + 1):
            for kind in KINDS:
                wanted = [LOSS] if kind == "loss" else [f"{kind}:{name}" for name in names]
                bounds = [allowed[t - 1, column[channel]] if channel in column else np.inf for channel in wanted]
                parts[t, kind] = np.array(bounds)
        return cls(relative, resolution, parts=parts)

    def excess(self, reading: Reading, other: Floats, dead: Bools | None = None) -> float:
        """The largest difference of two readings in units of what is allowed; infinite where one is not finite.

        Parameters that `other` does not have are skipped, and so are `dead` ones, whose gradient is noise.

        Shapes: other as the reading's values, dead (parameters,).
        """
        values = reading.values
        with np.errstate(all="ignore"):
            larger = np.maximum(np.abs(values), np.abs(other))
            total = np.sqrt(np.nansum(larger**2) / len(larger))
            relative = np.maximum(self.relative, self.parts.get(reading.position, 0.0))
            allowed = relative * np.maximum(larger, _FLOOR * total)
            allowed = allowed + self.spread.get(reading.position, 0.0)
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
    """True where a gradient is so much smaller than the others that it is rounding only, which Adam turns into updates.

    Shapes: gradient (parameters,), norms.
    """
    total = np.sqrt(np.sum(gradient**2) / len(gradient))
    return np.asarray(gradient <= 1e-9 * total)


def spread_of(base: Sequence[Reading], copies: Sequence[Sequence[Reading]]) -> dict[Position, Floats]:
    """The largest change of perturbed copies up to each position and one step beyond, times the margin.

    A unit that switches in one run switches a step later in another.
    """
    spread: dict[Position, Floats] = {}
    for kind in KINDS:
        steps = [i for i, reading in enumerate(base) if reading.kind == kind]
        apart = [np.max([np.abs(copy[i].values - base[i].values) for copy in copies], axis=0) for i in steps]
        for n, i in enumerate(steps):
            spread[base[i].position] = MARGIN * np.max(apart[: n + 2], axis=0)
    return spread
