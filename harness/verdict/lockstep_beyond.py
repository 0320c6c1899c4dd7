"""What is beyond its bound in a lockstep run: losses, ends of segments, and both beside what an ulp leads to."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.trace.format import Floats, Trace
from harness.trace.manifest import Manifest
from harness.trace.segments import Segments
from harness.verdict.compare import Comparison
from harness.verdict.evidence import Fault, Lockstep, Near
from harness.verdict.rounding.lockstep import (
    PARAMETERS,
    SLOTS,
    STATISTICS,
    STATS,
    LockstepBounds,
    SegmentApart,
    outlying,
    places,
)
from harness.verdict.rounding.near import FIRST, LATER, NearBounds, TimesUlp, loss_times_ulp, measure_near

# By kind of tensor: what is wrong when it is the first that differs. A gradient goes into the slots first.
_FAULTS: dict[str, Fault] = {
    FIRST: "forward",
    LATER: "backward",
    STATS: "forward",
    SLOTS: "backward",
    PARAMETERS: "optimizer",
}


@dataclass(frozen=True)
class Beyond:
    """One figure that is beyond its bound. `first`: the first step that it may be of."""

    first: int
    order: int
    line: str
    place: str
    fault: Fault


def losses_beyond(lockstep: Lockstep, apart: Floats, bounds: LockstepBounds, calm: bool) -> list[Beyond]:
    """The losses further apart than in right runs; of a pair that is not `calm`, the first ones of segments alone."""
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


def outliers(ends: Sequence[SegmentApart], bounds: LockstepBounds) -> list[Beyond]:
    """The segments that stand out of the run's others by more than they do in right runs."""
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


def counts_beyond(comparison: Comparison, bounds: LockstepBounds) -> list[Beyond]:
    """The test, where both sides say how many images they have right: nearly as many, from one state before."""
    apart = counts_apart(comparison.a.manifest, comparison.b.manifest)
    if apart is None or apart <= bounds.counts:
        return []
    line = f"after one state a segment before, {apart} more test images are right on one side, {bounds.counts} allowed"
    return [Beyond(comparison.a.trace.steps + 1, 4, line, "test accuracy", "training")]


def counts_apart(a: Manifest | None, b: Manifest | None) -> int | None:
    """How many test images more one side has right; None where it was not said, or not of the same images."""
    if a is None or b is None or a.test_correct is None or b.test_correct is None or a.test_total != b.test_total:
        return None
    return abs(a.test_correct - b.test_correct)


def near_beyond(measured: Sequence[TimesUlp], bounds: NearBounds) -> list[Beyond]:
    """The figures that are further apart than right pairs are, beside what an ulp leads to in the leader itself."""
    found = []
    for one, statistic in itertools.product(measured, STATISTICS):
        times, allowed = getattr(one, statistic), bounds.allowed(statistic, one.what)
        if not times <= allowed:
            first, last = one.parts[0].first, one.parts[-1].end - 1
            if one.what in (FIRST, LATER):
                what = f"the {one.what} are"
            else:
                what = {
                    "least": f"all {one.tensors} {one.what} are",
                    "typical": f"half of {one.tensors} {one.what} are",
                    "largest": f"{one.tensor} ({one.what}) is",
                }[statistic]
            line = f"in {len(one.parts)} segments within steps {first} to {last} {what} {times:.0f} times as far apart "
            line += f"as an ulp leads, {allowed:.0f} times is allowed"
            found.append(Beyond(first, 3, line, f"steps {first} to {last}, {one.tensor}", _FAULTS[one.what]))
    return found


def near_told(measured: Sequence[TimesUlp], bounds: NearBounds) -> str:
    """For people: the figure that comes nearest to its bound; empty where there is none."""
    if not measured:
        return ""
    one = max(measured, key=lambda one: one.largest / bounds.allowed("largest", one.what))
    sampled = len({part.first for every in measured for part in every.parts})
    which = one.what if one.what in (FIRST, LATER) else one.tensor
    told = f"in {sampled} sampled segments at most {one.largest:.2g} times as far apart as an ulp leads ({which})"
    return f"; {told}, {bounds.allowed('largest', one.what):.2g} allowed"


def times_ulp(leader: Trace, follower: Trace, segments: Segments, near: Near) -> list[TimesUlp]:
    """Losses and states of a lockstep run beside what an ulp leads to."""
    losses = loss_times_ulp(leader, follower, near.recording.trace)
    return [*losses, *measure_near(segments, near.segments, follower.header.params or ())]
