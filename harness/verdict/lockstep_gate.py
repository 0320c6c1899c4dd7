"""Lockstep: every step of the whole run is held to what rounding does within a few steps from one state."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, one_line
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import (
    Answer,
    Fault,
    Lockstep,
    NoPart,
    PairFacts,
    failed,
    inconclusive,
    note,
    passed,
    unreached,
)
from harness.verdict.likeness import check_evidence, faults
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import (
    PARAMETERS,
    SLOTS,
    STATISTICS,
    STATS,
    LockstepBounds,
    SegmentApart,
    later_segments,
    loss_apart,
    measure_segments,
    outlying,
    places,
    typical_best,
    typical_jump,
)

# By kind of tensor: what is wrong when it is the first that differs. A gradient goes into the slots first.
_FAULTS: dict[str, Fault] = {STATS: "forward", SLOTS: "backward", PARAMETERS: "optimizer"}


@dataclass(frozen=True)
class Beyond:
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
    if (unlike := check_evidence(comparison, "in lockstep")) is not None:
        return unlike
    problems = faults("the leader", comparison.a) + faults("the follower", comparison.b)
    numbers, params = comparison.numbers, comparison.b.trace.header.params
    if len(segments.ends) != segments.planned:
        problems.append(f"{len(segments.ends)} of {segments.planned} segments were compared")
    if problems or numbers is None or numbers.compared == 0 or params is None:
        return inconclusive(f"in lockstep: {'; '.join(problems) or 'no step to compare'}.")
    ends = list(measure_segments(segments, params))
    apart = loss_apart(numbers.loss_a, numbers.loss_b)
    bounds = fitted_bounds().lockstep
    calm = typical_best(ends) <= bounds.calm_up_to
    beyond = _losses_beyond(lockstep, apart, bounds, calm)
    if calm:
        beyond += [*states_beyond(ends, bounds), *_outliers(ends, bounds)]
    steps = numbers.compared
    if numbers.lr_beyond is not None:
        step = numbers.lr_beyond
        line = f"the learning rates of step {step} are {numbers.lr_a[step - 1]:.9g} and {numbers.lr_b[step - 1]:.9g}"
        beyond.append(Beyond(step, -1, line, f"step {step}", "schedule"))
    if beyond:
        first = min(beyond, key=lambda one: (one.first, one.order))
        counted = {"figures_beyond": float(len(beyond))}
        return failed(
            f"{first.line}; {len(beyond)} figures of {steps} steps are beyond.", first.place, first.fault, counted
        )
    if not calm:
        length, firsts = segments.ends[0].step - 1, len(segments.ends) - 1
        ends_of = later_segments(segments.ends)
        # What right runs have reached at any step, without a margin: this is of half of the segments.
        free = fitted_bounds().later
        sudden, allowed = typical_jump(ends_of, apart), math.exp(free.jump / free.margin)
        if sudden > allowed:
            return failed(
                f"in half of {len(ends_of)} segments one step is {sudden:.0f} times as far apart as any before, "
                f"{allowed:.0f} times is allowed: rounding does not grow like that.",
                f"steps {ends_of[0].first} to {ends_of[0].step - 1}",
                "backward",
            )
        grown = f"half of the parameters are {typical_best(ends):.1e} of their moves apart or more"
        return note(
            f"rounding grows within {length} steps until {grown}: only the first loss of each of {firsts} segments is "
            f"judged. Give a --segment shorter than {length}."
        )
    later = segments.ends[0].step - 1
    line = f"set to the state of {one_line(segments.leader)} {segments.planned - 1} times"
    if ends:
        at = later + int(np.argmax(apart[later:])) + 1
        worst = max((end for end in ends), key=lambda end: end.largest / bounds.states["largest"][end.kind])
        line += (
            f", the follower's losses after step {later} are at most {apart[at - 1]:.1e} apart relatively (step {at}); "
            f"its states at most {worst.largest:.1e} of their moves ({worst.tensor}, steps {worst.first} to "
            f"{worst.step - 1}), {bounds.states['largest'][worst.kind]:.1e} allowed"
        )
    return passed(f"{line}.", {STEPS: float(steps)})


def _losses_beyond(lockstep: Lockstep, apart: Floats, bounds: LockstepBounds, calm: bool) -> list[Beyond]:
    found = []
    for step, place in places(lockstep.segments.ends).items():
        if place and not calm:
            continue
        allowed = bounds.loss[min(place, len(bounds.loss) - 1)]
        if step <= len(apart) and not apart[step - 1] <= allowed:
            line = f"step {step}: the losses are {apart[step - 1]:.1e} apart in lockstep, {allowed:.1e} allowed"
            # From one state the first loss is the forward pass's and the data's; later ones see the steps before too.
            fault: Fault = "backward" if place else "forward"
            found.append(Beyond(step, 0, line, f"step {step}, loss", fault))
    return found


def states_beyond(ends: Sequence[SegmentApart], bounds: LockstepBounds, factor: float = 1.0) -> list[Beyond]:
    """The figures of ends of segments that are further apart than in right runs, times a factor."""
    found = []
    for end in ends:
        for statistic in STATISTICS:
            apart, allowed = getattr(end, statistic), factor * bounds.states[statistic][end.kind]
            if not apart <= allowed:
                what = {
                    "least": f"all {end.tensors} {end.kind} are {apart:.1e} of their moves apart or more",
                    "typical": f"half of {end.tensors} {end.kind} are {apart:.1e} of their moves apart or more",
                    "largest": f"{end.tensor} ({end.kind}) is {apart:.1e} of its move apart",
                }[statistic]
                line = f"{_after(end)}, {what}, {allowed:.1e} allowed"
                found.append(Beyond(end.first, 1, line, _span(end), _FAULTS[end.kind]))
    return found


def _outliers(ends: Sequence[SegmentApart], bounds: LockstepBounds) -> list[Beyond]:
    found = []
    for times, end in outlying(ends):
        if times > bounds.outlying:
            what = f"all {end.tensors} {end.kind} are {times:.0f} times as far apart as after most segments"
            line = f"{_after(end)}, {what}, {bounds.outlying:.0f} times is allowed"
            found.append(Beyond(end.first, 2, line, _span(end), _FAULTS[end.kind]))
    return found


def _after(end: SegmentApart) -> str:
    return f"after steps {end.first} to {end.step - 1} in lockstep"


def _span(end: SegmentApart) -> str:
    return f"steps {end.first} to {end.step - 1}, {end.tensor}"
