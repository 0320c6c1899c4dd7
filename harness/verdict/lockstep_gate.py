"""Lockstep: every step of the whole run is held to what rounding does within a few steps from one state."""

import math

import numpy as np

from harness.trace.format import one_line
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import (
    Answer,
    Near,
    NoPart,
    PairFacts,
    failed,
    inconclusive,
    note,
    passed,
    unreached,
)
from harness.verdict.likeness import check_evidence, faults
from harness.verdict.lockstep_beyond import (
    Beyond,
    counts_beyond,
    losses_beyond,
    near_beyond,
    near_told,
    outliers,
    states_beyond,
    times_ulp,
)
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.lockstep import (
    later_segments,
    loss_apart,
    measure_segments,
    typical_best,
    typical_jump,
)


def check_lockstep(pair: PairFacts) -> Answer:
    """No loss, and no state at the end of a segment, may be further apart than right runs are."""
    lockstep = pair.beside.lockstep
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
    beyond = losses_beyond(lockstep, apart, bounds, calm)
    if calm:
        beyond += [*states_beyond(ends, bounds), *outliers(ends, bounds), *counts_beyond(comparison, bounds)]
    steps = numbers.compared
    if numbers.lr_beyond is not None:
        step = numbers.lr_beyond
        line = f"the learning rates of step {step} are {numbers.lr_a[step - 1]:.9g} and {numbers.lr_b[step - 1]:.9g}"
        beyond.append(Beyond(step, -1, line, f"step {step}", "schedule"))
    near, beside = lockstep.near, ""
    if isinstance(near, Near) and not beyond:  # one of those names its step; these are of several segments
        problems = faults("the leader an ulp away", near.recording)
        if len(near.segments.ends) != near.segments.planned:
            problems.append(f"{len(near.segments.ends)} of {near.segments.planned} segments were taken again")
        if problems:
            return inconclusive(f"in lockstep: {'; '.join(problems)}.")
        measured = times_ulp(comparison.a.trace, comparison.b.trace, segments, near)
        beyond, beside = near_beyond(measured, fitted_bounds().near), near_told(measured, fitted_bounds().near)
    if beyond:
        first = min(beyond, key=lambda one: (one.first, one.order))
        counted = {"figures_beyond": float(len(beyond))}
        return failed(
            f"{first.line}; {len(beyond)} figures of {steps} steps are beyond.", first.place, first.fault, counted
        )
    if isinstance(near, str):
        return inconclusive(f"in lockstep: the leader from states an ulp away is missing: {near}.")
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
            f"judged. Give a --segment shorter than {length}{beside}."
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
    return passed(f"{line}{beside}.", {STEPS: float(steps)})
