"""Both sides of a pair against the same pair in f64: a side that rounds more than the other does so wherever it is.

Where units flip, f32 may be far from f64 on either side, and for steps on end. From a start of large parameters other
units flip, if any; a lower precision in one place moves the gradients below it in both runs, and on the same side.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.trace.format import Floats, Trace
from harness.verdict.channels import GRAD, GRAD_PROJECTION, shared_channels, tensor_of
from harness.verdict.rounding.measure import faint

JUDGED_STEPS = 3
_LEAST_TOLD = 2  # of those steps; a gradient may be zero at first
_FAINT = 1e-6  # of all gradients; below it f64 itself has few digits


class F64Bounds(msgspec.Struct, kw_only=True, frozen=True):
    """The most that one side of a right pair is further from f64 than the other, in the gradient of any tensor.

    `finest`: distances below it count as that. `further`: the ratio that is allowed.
    """

    finest: float
    further: float


@dataclass(frozen=True)
class SideRuns:
    """The runs of one side: from the drawn start and from the stressed one, each in f32 and in f64."""

    drawn: tuple[Trace, Trace]
    stressed: tuple[Trace, Trace]


@dataclass(frozen=True)
class Further:
    """A tensor whose gradient is further from f64 on `side` than on the other, by `ratio` at every step, or more.

    `distance`: the smallest of any step on that side, relative to the gradient.
    """

    side: str
    tensor: str
    ratio: float
    distance: float


def furthest(a: SideRuns, b: SideRuns, finest: float) -> Further | None:
    """The tensor with the largest ratio at every step from either start; None where no gradient tells."""
    distances = {"A": _distances(a), "B": _distances(b)}
    found = [
        further
        for side, other in (("A", "B"), ("B", "A"))
        for further in _compared(side, distances[side], distances[other], finest)
    ]
    return max(found, key=lambda further: further.ratio, default=None)


def _compared(side: str, mine: Mapping[str, Floats], other: Mapping[str, Floats], finest: float) -> Iterator[Further]:
    for tensor in mine.keys() & other.keys():
        ratios = mine[tensor] / np.maximum(other[tensor], finest)
        drawn, stressed = ratios[:-1], ratios[-1]
        told = np.isfinite(drawn)
        if told.sum() >= _LEAST_TOLD and np.isfinite(stressed):
            ratio = float(min(drawn[told].min(), stressed))
            yield Further(side, tensor, ratio, float(np.nanmin(mine[tensor])))


def _distances(side: SideRuns) -> dict[str, Floats]:
    """By tensor, the distance of its gradient from f64's at each step from the drawn start, and from the stressed one.

    Shapes: (JUDGED_STEPS + 1,) each.
    """
    drawn = gradient_distances(*side.drawn, JUDGED_STEPS)
    stressed = gradient_distances(*side.stressed, 1)
    return {tensor: np.append(drawn[tensor], stressed[tensor]) for tensor in drawn.keys() & stressed.keys()}


def gradient_distances(coarse: Trace, fine: Trace, steps: int) -> dict[str, Floats]:
    """By tensor, the distance of its gradient from f64's at each of the first steps, relative to the gradient.

    The larger of those of its norm and of its projection; NaN at a step where the gradient is next to nothing.

    Shapes: (steps,) each.
    """
    if min(coarse.steps, fine.steps) < steps:
        return {}
    channels = shared_channels(coarse, fine, range(1, steps + 1))
    told = channels.both & ~faint(channels, _FAINT)
    with np.errstate(all="ignore"):
        apart = np.where(told, np.abs(channels.a - channels.b), np.nan)
        at = {name: column for column, name in enumerate(channels.names)}
        sizes = {tensor_of(name): np.abs(channels.b[:, at[name]]) for name in at if name.startswith(GRAD)}
        return {
            tensor: np.fmax(*(apart[:, at[kind + tensor]] / size for kind in (GRAD, GRAD_PROJECTION)))
            for tensor, size in sizes.items()
            if GRAD_PROJECTION + tensor in at
        }
