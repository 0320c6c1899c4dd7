"""The bounds of lockstep, from right runs: the furthest that any step and any state was apart, times a margin."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.spec.run_config import SEGMENT_STEPS
from harness.trace.format import Trace
from harness.trace.segments import Segments, read_segments, segments_path
from harness.trace.store import StoredCell, read_store
from harness.verdict.rounding.lockstep import (
    PARAMETERS,
    SLOTS,
    STATISTICS,
    STATS,
    LockstepBounds,
    loss_apart,
    measure_segments,
    outlying,
    places,
    typical_best,
)

MARGIN = 4.0
_KINDS = (PARAMETERS, SLOTS, STATS)


@dataclass(frozen=True)
class RightLockstep:
    """A lockstep run of a right pair: what the leader and the follower traced, and the segments."""

    leader: Trace
    follower: Trace
    segments: Segments


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
            yield RightLockstep(leader.read().trace, follower.read().trace, segments)


def fit_lockstep(runs: Sequence[RightLockstep]) -> LockstepBounds:
    """The bounds of some right runs. Raises: HarnessError when there is none of some kind of tensor."""
    losses = np.zeros(SEGMENT_STEPS)
    states = {statistic: dict.fromkeys(_KINDS, 0.0) for statistic in STATISTICS}
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
        fitted_on={"runs": sorted(f"{run.follower.header.netspec_name}, {run.follower.steps} steps" for run in runs)},
    )


def _leads(cell: StoredCell, follower: StoredCell) -> bool:
    leads = not cell.facts.evidence and cell.facts.pipeline == follower.facts.follows
    of_one = (cell.facts.init_seed, cell.facts.steps, cell.facts.backend, cell.facts.model)
    facts = follower.facts
    return leads and of_one == (facts.init_seed, facts.steps, facts.backend, facts.model)


def _short(value: float) -> float:
    return float(f"{MARGIN * value:.3g}")
