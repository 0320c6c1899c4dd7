"""The bounds of lockstep, from right runs: the furthest that any step and any state was apart, times a margin."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.spec.run_config import SEGMENT_STEPS
from harness.trace.format import Trace
from harness.trace.segments import Segments, read_segments, segments_path
from harness.trace.store import StoredCell, read_store
from harness.verdict.evidence import Near
from harness.verdict.lockstep_beyond import counts_apart, times_ulp
from harness.verdict.rounding.lockstep import (
    KINDS,
    STATISTICS,
    LockstepBounds,
    loss_apart,
    measure_segments,
    outlying,
    places,
    typical_best,
)
from harness.verdict.rounding.near import FIRST, LATER, NearBounds, TimesUlp

MARGIN = 4.0


@dataclass(frozen=True)
class RightLockstep:
    """A lockstep run of a right pair: what the leader and the follower traced, and the segments.

    `near`: the leader an ulp away. `counts`: how many more test images one side had right.
    """

    leader: Trace
    follower: Trace
    segments: Segments
    near: Near | None = None
    counts: int | None = None

    @property
    def name(self) -> str:
        """For people: what was run."""
        return f"{self.follower.header.netspec_name}, {self.follower.steps} steps"

    @property
    def times_ulp(self) -> Sequence[TimesUlp]:
        """Its losses and states beside what an ulp leads to."""
        return () if self.near is None else times_ulp(self.leader, self.follower, self.segments, self.near)


def right_locksteps(folders: Iterable[Path]) -> Iterator[RightLockstep]:
    """Those below some folders that `verify` has written to. Raises: TraceError; HarnessError for one without any."""
    for folder in folders:
        cells = read_store([folder]).cells
        followers = [cell for cell in cells if cell.facts.follows is not None and cell.complete]
        if not followers:
            raise HarnessError(f"{folder}: no run in lockstep, expected what `harness verify` wrote there.")
        for follower in followers:
            leader = next(cell for cell in cells if _leads(cell, follower))
            segments = read_segments(segments_path(follower.trace))
            near = next((_read_near(cell) for cell in cells if _is_near(cell, leader)), None)
            counts = counts_apart(leader.manifest, follower.manifest)
            yield RightLockstep(leader.read().trace, follower.read().trace, segments, near, counts)


def fit_lockstep(runs: Sequence[RightLockstep]) -> LockstepBounds:
    """The bounds of some right runs. Raises: HarnessError when there is none of some kind of tensor."""
    losses = np.zeros(SEGMENT_STEPS)
    states = {statistic: dict.fromkeys(KINDS, 0.0) for statistic in STATISTICS}
    furthest = calm = 0.0
    for run in runs:
        n = min(run.leader.steps, run.follower.steps)
        apart = loss_apart(run.leader.loss[:n], run.follower.loss[:n])
        for step, place in places(run.segments.ends).items():
            losses[place] = max(losses[place], apart[step - 1])
        ends = list(measure_segments(run.segments, run.follower.header.params or ()))
        calm = max(calm, typical_best(ends))
        for end, statistic in itertools.product(ends, STATISTICS):
            states[statistic][end.kind] = max(states[statistic][end.kind], getattr(end, statistic))
        furthest = max(furthest, *(times for times, _ in outlying(ends)), 0.0)
    if not furthest or not all(states["largest"].values()):
        raise HarnessError("no lockstep run has parameters, optimizer slots and running statistics. Name more of them.")
    return LockstepBounds(
        margin=MARGIN,
        loss=[_short(x) for x in np.maximum.accumulate(losses)],
        states={statistic: {kind: _short(x) for kind, x in of.items()} for statistic, of in states.items()},
        outlying=_short(furthest),
        calm_up_to=_short(calm),
        counts=1 + math.ceil(MARGIN * max((run.counts for run in runs if run.counts is not None), default=0)),
        fitted_on={"runs": sorted(run.name for run in runs)},
    )


def fit_near(runs: Sequence[RightLockstep]) -> NearBounds:
    """The bounds beside an ulp of some right runs. Raises: HarnessError when there is none of some kind of tensor."""
    losses = dict.fromkeys((FIRST, LATER), 0.0)
    states = {statistic: dict.fromkeys(KINDS, 0.0) for statistic in STATISTICS}
    with_near = [run for run in runs if run.near is not None]
    for run in with_near:
        for one in run.times_ulp:
            if one.what in losses:
                losses[one.what] = max(losses[one.what], one.largest)
                continue
            for statistic in STATISTICS:
                states[statistic][one.what] = max(states[statistic][one.what], getattr(one, statistic))
    if not all(losses.values()) or not all(states["largest"].values()):
        raise HarnessError("no run beside one an ulp away has parameters, slots and statistics. Name more of them.")
    return NearBounds(
        margin=MARGIN,
        losses={what: _short(x) for what, x in losses.items()},
        states={statistic: {kind: _short(x) for kind, x in of.items()} for statistic, of in states.items()},
        fitted_on=sorted(run.name for run in with_near),
    )


def _leads(cell: StoredCell, follower: StoredCell) -> bool:
    leads = not cell.facts.evidence and cell.facts.pipeline == follower.facts.follows
    of_one = (cell.facts.init_seed, cell.facts.steps, cell.facts.backend, cell.facts.model)
    facts = follower.facts
    return leads and of_one == (facts.init_seed, facts.steps, facts.backend, facts.model)


def _is_near(cell: StoredCell, leader: StoredCell) -> bool:
    facts, of = cell.facts, leader.facts
    return facts.ulp_seed is not None and (facts.model, facts.init_seed, facts.steps) == (
        of.model,
        of.init_seed,
        of.steps,
    )


def _read_near(cell: StoredCell) -> Near:
    return Near(cell.read(allow_parts=True), read_segments(segments_path(cell.trace)))


def _short(value: float) -> float:
    return float(f"{MARGIN * value:.3g}")
