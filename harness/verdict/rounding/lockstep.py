"""A lockstep run as figures: how far each loss and each tensor of a state are apart within segments of a few steps.

From one state two right programs part by rounding alone, and a few steps do not let it grow. Whatever is wrong at one
step, or is carried over wrongly, stands out of all other segments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.trace.format import Floats
from harness.trace.segments import SegmentEnd, Segments, StateDistance
from harness.verdict.rounding.drift import LEAST_LEVEL

STATISTICS = ("least", "typical", "largest")
PARAMETERS, SLOTS, STATS = "parameters", "optimizer slots", "running statistics"
KINDS = (STATS, SLOTS, PARAMETERS)
LEAST_LOSS = 0.01  # smaller ones count as that: a cross-entropy rounds as its logits do. Units: nats
_FLOOR = 1e-3  # of the root mean square of what the tensors of a kind moved by
_FAINT = 3e-3  # of the root mean square of all; a gradient below it is nothing but rounding
_FEWEST = 16  # segments of which a distribution tells anything
_USUAL = 0.9  # of the segments are no further apart than what is called usual


class LockstepBounds(msgspec.Struct, kw_only=True, frozen=True):
    """The furthest that right lockstep runs were apart, times `margin`.

    `loss`: relatively, by the place of the step in its segment; never falling, and the last one stands for any later.
    `states`: by statistic and kind of tensor, of the end of any segment. `outlying`: how many times as far apart as
    usual in the same run the segment is that is furthest, by the parameter that agrees best. `calm_up_to`: how far
    apart that parameter is after half of the segments, where they are so short that rounding does not grow in them.
    `counts`: how many test images more or fewer one side may have right: one more than the margin times what was seen.
    `fitted_on`: the runs.
    """

    margin: float
    loss: list[float]
    states: dict[str, dict[str, float]]
    outlying: float
    calm_up_to: float
    counts: int
    fitted_on: dict[str, list[str]]


@dataclass(frozen=True)
class SegmentApart:
    """The relative differences of the tensors of a kind at the end of a segment.

    Relative to what the leader's tensors have moved by in the segment. `tensor`: the one with the largest.
    """

    first: int
    step: int
    kind: str
    least: float
    typical: float
    largest: float
    tensor: str
    tensors: int


def loss_apart(a: Floats, b: Floats) -> Floats:
    """The relative difference of each loss. Shapes: all (steps,)."""
    with np.errstate(all="ignore"):
        found: Floats = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), LEAST_LOSS)
    return found


def measure_segments(segments: Segments, params: Sequence[str]) -> Iterator[SegmentApart]:
    """By segment but the first, and kind. `params`: names of the parameters; what belongs to one of them is a slot.

    Of a parameter whose gradient is nothing but rounding nothing can be told: an optimizer that divides it by its own
    size moves the parameter by noise.
    """
    for end in later_segments(segments.ends):
        for kind, apart in relative_moves(end, segments.tensors, params).items():
            tensor = max(apart, key=lambda name: apart[name])
            values = list(apart.values())
            typical = float(np.median(values))
            yield SegmentApart(end.first, end.step, kind, min(values), typical, apart[tensor], tensor, len(values))


def relative_moves(end: SegmentEnd, tensors: Sequence[str], params: Sequence[str]) -> dict[str, dict[str, float]]:
    """By kind and tensor, how far apart the sides are at the end of a segment, relative to the leader's move in it.

    Without the parameters whose gradients are nothing but rounding, and what belongs to them.
    """
    distances = dict(zip(tensors, end.distances, strict=True))
    noise = _noise(distances, params)
    found: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        told = {n: d for n, d in distances.items() if _kind(n, params) == kind and _owner(n, params) not in noise}
        if told:
            floor = _FLOOR * float(np.sqrt(np.mean(np.square([distance.moved for distance in told.values()]))))
            found[kind] = {name: _relative(distance, floor) for name, distance in told.items()}
    return found


def outlying(found: Sequence[SegmentApart]) -> list[tuple[float, SegmentApart]]:
    """How many times as far apart as usual each segment is by the parameter that agrees best; nothing of a few."""
    of_params = [one for one in found if one.kind == PARAMETERS]
    usual = float(np.quantile([one.least for one in of_params], _USUAL)) if len(of_params) >= _FEWEST else 0.0
    return [(one.least / usual, one) for one in of_params] if usual > 0 else []


def typical_best(found: Sequence[SegmentApart]) -> float:
    """How far apart the parameter that agrees best is after half of the segments; 0 of none."""
    of_params = [one.least for one in found if one.kind == PARAMETERS]
    return float(np.median(of_params)) if of_params else 0.0


def typical_jump(ends: Sequence[SegmentEnd], apart: Floats) -> float:
    """How many times as far apart as before one step of a segment is, in half of the segments; 0 of none.

    Rounding that grows within a segment multiplies what is there; what is wrong at every step adds as much at once.
    Shapes: apart (steps,), of losses.
    """
    jumps = []
    for end in ends:
        within = apart[end.first - 1 : end.step - 1]
        before = np.maximum.accumulate(np.maximum(within, LEAST_LEVEL))[:-1]
        jumps += [float(np.max(within[1:] / before))] if len(before) else []
    return float(np.median(jumps)) if jumps else 0.0


def places(ends: Sequence[SegmentEnd]) -> dict[int, int]:
    """By step, its place in its segment, from 0. The first segment is left out: see `later_segments`."""
    return {step: step - end.first for end in later_segments(ends) for step in range(end.first, end.step)}


def later_segments(ends: Sequence[SegmentEnd]) -> Sequence[SegmentEnd]:
    """All but the first, which begins where the free runs begin, and which they are judged by as well.

    At drawn parameters gradients are large and units flip, so that it would widen the bounds for all others.
    """
    return [end for end in ends if end.first > 1]


def _relative(distance: StateDistance, floor: float) -> float:
    if not distance.is_finite:
        return float("inf")
    if distance.apart == 0:
        return 0.0
    scale = max(distance.moved, floor)
    return distance.apart / scale if scale > 0 else float("inf")


def _noise(distances: Mapping[str, StateDistance], params: Sequence[str]) -> set[str]:
    """Parameters of which some slot is next to nothing beside the same slot of all parameters."""
    slots: dict[str, dict[str, float]] = {}
    for name, distance in distances.items():
        owner = _owner(name, params)
        if owner is not None and owner != name:
            slots.setdefault(name.removeprefix(owner), {})[owner] = distance.size
    found: set[str] = set()
    for sizes in slots.values():
        rms = float(np.sqrt(np.mean(np.square(list(sizes.values())))))
        # A slot of squares is as much smaller as a square is.
        found |= {owner for owner, size in sizes.items() if size < _FAINT * _FAINT * rms}
    return found


def _owner(name: str, params: Sequence[str]) -> str | None:
    """The parameter that a tensor is or belongs to; None for running statistics."""
    if name in params:
        return name
    owner, _, _ = name.rpartition(".")
    return owner if owner in params else None


def _kind(name: str, params: Sequence[str]) -> str:
    if name in params:
        return PARAMETERS
    return STATS if _owner(name, params) is None else SLOTS
