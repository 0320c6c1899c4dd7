"""Lockstep: every step of the whole run is held to what rounding does within a few steps from one state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import one_line
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, Fault, Lockstep, NoPart, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.likeness import check_contract, check_data, faults
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import (
    PARAMETERS,
    SLOTS,
    STATISTICS,
    STATS,
    LockstepBounds,
    SegmentApart,
    loss_apart,
    measure_segments,
    outlying,
)

# By kind of tensor: what is wrong when it is the first that differs. A gradient goes into the slots first.
_FAULTS: dict[str, Fault] = {STATS: "forward", SLOTS: "backward", PARAMETERS: "optimizer"}


@dataclass(frozen=True)
class _Beyond:
    """One figure that is beyond its bound. `first`: the first step that it may be of."""

    first: int
    order: int
    line: str
    place: str
    fault: Fault


def check_lockstep(pair: PairFacts) -> Answer:
    """No loss, and no state at the end of a segment, may be further apart than right runs are."""
    lockstep = pair.lockstep
    if lockstep is None:
        return unreached("the pair was not run in lockstep.")
    if isinstance(lockstep, NoPart):
        return unreached(f"{lockstep}.")
    if isinstance(lockstep, str):
        return inconclusive(f"the run in lockstep is missing: {lockstep}.")
    comparison, segments = lockstep.comparison, lockstep.segments
    facts = PairFacts(comparison)
    for found in (check_contract(facts), check_data(facts)):
        if found.outcome == "fail":
            return failed(f"in lockstep, {found.line}", found.place, found.fault)
    problems = faults("A", comparison.a) + faults("the follower", comparison.b)
    numbers, params = comparison.numbers, comparison.b.trace.header.params
    if len(segments.ends) != segments.planned:
        problems.append(f"{len(segments.ends)} of {segments.planned} segments were compared")
    if problems or numbers is None or numbers.compared == 0 or params is None:
        return inconclusive(f"in lockstep: {'; '.join(problems) or 'no step to compare'}.")
    ends = list(measure_segments(segments, params))
    apart = loss_apart(numbers.loss_a, numbers.loss_b)
    bounds = fitted_bounds().lockstep
    beyond = [
        *_losses_beyond(lockstep, apart, bounds),
        *_states_beyond(ends, bounds),
        *_outliers(ends, bounds),
    ]
    steps = numbers.compared
    if numbers.lr_beyond is not None:
        step = numbers.lr_beyond
        line = f"the learning rates of step {step} are {numbers.lr_a[step - 1]:.9g} and {numbers.lr_b[step - 1]:.9g}"
        beyond.append(_Beyond(step, -1, line, f"step {step}", "schedule"))
    if beyond:
        first = min(beyond, key=lambda one: (one.first, one.order))
        counted = {"steps": float(steps), "beyond": float(len(beyond))}
        return failed(
            f"{first.line}; {len(beyond)} figures of {steps} steps are beyond.", first.place, first.fault, counted
        )
    at = int(np.argmax(apart)) + 1
    worst = max(ends, key=lambda one: one.largest)
    line = (
        f"set to the state of {one_line(segments.leader)} {segments.planned} times, the follower's losses are at most "
        f"{apart[at - 1]:.1e} apart in {steps} steps (step {at}), relatively, {bounds.loss:.1e} allowed; its states at "
        f"most {worst.largest:.1e} of their moves ({worst.tensor}, steps {worst.first} to {worst.step - 1}), "
        f"{bounds.states['largest'][worst.kind]:.1e} allowed."
    )
    return passed(line, {STEPS: float(steps), "loss": float(apart[at - 1])})


def _losses_beyond(lockstep: Lockstep, apart: np.ndarray, bounds: LockstepBounds) -> list[_Beyond]:
    starts = {end.first for end in lockstep.segments.ends}
    found = []
    for index in np.flatnonzero(~(apart <= bounds.loss)):
        step = int(index) + 1
        line = f"step {step}: the losses are {apart[index]:.1e} apart in lockstep, {bounds.loss:.1e} allowed"
        # From one state the first loss is the forward pass's and the data's; later ones see the steps before too.
        fault: Fault = "forward" if step in starts else "backward"
        found.append(_Beyond(step, 0, line, f"step {step}, loss", fault))
    return found


def _states_beyond(ends: Sequence[SegmentApart], bounds: LockstepBounds) -> list[_Beyond]:
    found = []
    for end in ends:
        for statistic in STATISTICS:
            apart, allowed = getattr(end, statistic), bounds.states[statistic][end.kind]
            if not apart <= allowed:
                what = {
                    "least": f"all {end.tensors} {end.kind} are {apart:.1e} of their moves apart or more",
                    "typical": f"half of {end.tensors} {end.kind} are {apart:.1e} of their moves apart or more",
                    "largest": f"{end.tensor} ({end.kind}) is {apart:.1e} of its move apart",
                }[statistic]
                line = f"{_after(end)}, {what}, {allowed:.1e} allowed"
                found.append(_Beyond(end.first, 1, line, _span(end), _FAULTS[end.kind]))
    return found


def _outliers(ends: Sequence[SegmentApart], bounds: LockstepBounds) -> list[_Beyond]:
    found = []
    for kind, (times, end) in outlying(ends).items():
        if times > bounds.outlying[kind]:
            what = f"all {end.tensors} {kind} are {times:.0f} times as far apart as after most segments"
            line = f"{_after(end)}, {what}, {bounds.outlying[kind]:.0f} times is allowed"
            found.append(_Beyond(end.first, 2, line, _span(end), _FAULTS[kind]))
    return found


def _after(end: SegmentApart) -> str:
    return f"after steps {end.first} to {end.step - 1} in lockstep"


def _span(end: SegmentApart) -> str:
    return f"steps {end.first} to {end.step - 1}, {end.tensor}"
