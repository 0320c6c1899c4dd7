"""How far a follower parts from its leader, beside how far one unit in the last place leads the leader itself.

The leader's program takes sampled segments of its run again, from states of which every number is one unit in the last
place away. So what rounding does is measured in that very network, where it is in its training; right pairs of all
networks are about as far apart as that, and what computes in fewer digits or by another formula is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.run.sampling import WINDOW
from harness.trace.format import Trace
from harness.trace.parts import Part
from harness.trace.segments import SegmentEnd, Segments
from harness.verdict.rounding.lockstep import KINDS, later_segments, loss_apart, relative_moves

LEAST_APART = 2.0**-24  # half a unit in the last place of f32, relatively
FIRST, LATER = "first losses", "later losses"


class NearBounds(msgspec.Struct, kw_only=True, frozen=True):
    """How many times as far apart as by an ulp right pairs were at most, times `margin`.

    `losses`: by `FIRST` and `LATER`. `states`: by statistic and kind of tensor. `fitted_on`: the runs.
    """

    margin: float
    losses: dict[str, float]
    states: dict[str, dict[str, float]]
    fitted_on: list[str]

    def allowed(self, statistic: str, what: str) -> float:
        """The bound of a statistic of a kind of tensor, or of losses."""
        return self.losses[what] if what in self.losses else self.states[statistic][what]


@dataclass(frozen=True)
class TimesUlp:
    """How many times as far apart as by an ulp a pair is, in the median of some consecutive sampled segments.

    `what`: a kind of tensor, by the statistics of its tensors; or `FIRST`, `LATER`, of losses, by `largest` alone.
    `tensor`: the one with the largest. `parts`: the segments.
    """

    what: str
    least: float
    typical: float
    largest: float
    tensor: str
    tensors: int
    parts: Sequence[Part]


def measure_near(segments: Segments, near: Segments, params: Sequence[str]) -> Iterator[TimesUlp]:
    """By window and kind of tensor. Nothing where there are too few segments. `params`: as for `measure_segments`."""
    ends = {(end.first, end.step): end for end in later_segments(segments.ends)}
    both = [(ends[end.first, end.step], end) for end in near.ends if (end.first, end.step) in ends]
    pairs = [relative_moves(ours, segments.tensors, params) for ours, _ in both]
    ulps = [_with_floor(relative_moves(theirs, near.tensors, params), theirs, near.tensors) for _, theirs in both]
    for window in _windows(len(both)):
        parts = [Part(end.first, end.step - end.first) for end, _ in both[window]]
        for kind in KINDS:
            told = set.intersection(*(set(one.get(kind, {})) for one in (*pairs[window], *ulps[window])))
            times = {}
            for name in sorted(told):
                by_ulp = float(np.median([of[kind][name] for of in ulps[window]]))
                if np.isfinite(by_ulp):  # else the leader overflows by itself
                    times[name] = float(np.median([of[kind][name] for of in pairs[window]])) / by_ulp
            if times:
                tensor = max(times, key=lambda name: times[name])
                values = list(times.values())
                middle = float(np.median(values))
                yield TimesUlp(kind, min(values), middle, times[tensor], tensor, len(values), parts)


def loss_times_ulp(leader: Trace, follower: Trace, near: Trace) -> Iterator[TimesUlp]:
    """The losses of first steps of segments, and of all others, by window. `near`: of parts of the leader's run."""
    parts = [part for part in near.header.parts if part.first > 1 and part.end <= follower.steps + 1]
    for window in _windows(len(parts)):
        chosen = parts[window]
        for what, steps in (
            (FIRST, [part.first for part in chosen]),
            (LATER, [step for part in chosen for step in part.steps[1:]]),
        ):
            ours, theirs, moved = (trace.loss[trace.rows(steps)] for trace in (leader, follower, near))
            by_ulp = max(float(np.median(loss_apart(ours, moved))), LEAST_APART)
            times = float(np.median(loss_apart(ours, theirs))) / by_ulp
            if np.isfinite(by_ulp):
                yield TimesUlp(what, times, times, times, "loss", 1, chosen)


def _windows(number: int) -> Iterator[slice]:
    """Consecutive ones of so many, of which the median is that of rounding though a unit may have flipped in some."""
    for begin in range(number - WINDOW + 1):
        yield slice(begin, begin + WINDOW)


def _with_floor(
    moves: Mapping[str, Mapping[str, float]], end: SegmentEnd, tensors: Sequence[str]
) -> dict[str, dict[str, float]]:
    """An ulp may move a tensor by nothing at all; what is stored is rounded all the same."""
    distances = dict(zip(tensors, end.distances, strict=True))

    def least(name: str) -> float:
        distance = distances[name]
        return LEAST_APART * max(1.0, distance.size / distance.moved if distance.moved > 0 else 1.0)

    return {kind: {name: max(x, least(name)) for name, x in of.items()} for kind, of in moves.items()}
