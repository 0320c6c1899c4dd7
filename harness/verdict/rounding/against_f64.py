"""Both sides of a pair against the same pair in f64: a side that rounds more than the other does so at every step.

Where units flip, f32 may be far from f64 at one step or another, on either side. A lower precision in one place moves
the gradients below it at every step, on one side alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.trace.format import Floats, Trace
from harness.verdict.channels import GRAD, GRAD_PROJECTION, kind_of, shared_channels, tensor_of
from harness.verdict.rounding.measure import faint

JUDGED_STEPS = 3


class F64Bounds(msgspec.Struct, kw_only=True, frozen=True):
    """The most that one side of a right pair is further from f64 than the other, in the gradient of any tensor.

    `finest`: distances below it count as that. `calm`, `rough`: by class of the pair.
    """

    finest: float
    calm: float
    rough: float


@dataclass(frozen=True)
class Further:
    """A tensor whose gradient is further from f64 on `side` than on the other, by `ratio` at every step, or more.

    `distance`: the smallest of any step on that side, relative to the gradient.
    """

    side: str
    tensor: str
    ratio: float
    distance: float


def furthest(a: tuple[Trace, Trace], b: tuple[Trace, Trace], finest: float) -> Further | None:
    """The tensor with the largest ratio; None where the traces have no gradients at those steps.

    `a`, `b`: each side in f32 and in f64.
    """
    distances = {"A": gradient_distances(*a), "B": gradient_distances(*b)}
    found = [
        further
        for side, other in (("A", "B"), ("B", "A"))
        for further in _compared(side, distances[side], distances[other], finest)
    ]
    return max(found, key=lambda further: further.ratio, default=None)


def _compared(side: str, mine: Mapping[str, Floats], other: Mapping[str, Floats], finest: float) -> Iterator[Further]:
    for tensor in mine.keys() & other.keys():
        ratio = float(np.min(mine[tensor] / np.maximum(other[tensor], finest)))
        if np.isfinite(ratio):
            yield Further(side, tensor, ratio, float(mine[tensor].min()))


def gradient_distances(coarse: Trace, fine: Trace) -> dict[str, Floats]:
    """By tensor, the distance of its gradient from f64's at each step, by norm and projection, whichever is larger.

    Tensors of which nothing can be told at some step are left out. Shapes: (JUDGED_STEPS,) each.
    """
    if min(coarse.steps, fine.steps) < JUDGED_STEPS:
        return {}
    channels = shared_channels(coarse, fine, range(1, JUDGED_STEPS + 1))
    told = channels.both & ~faint(channels)
    relative = channels.relative
    distances: dict[str, Floats] = {}
    for column, name in enumerate(channels.names):
        if kind_of(name) in (GRAD, GRAD_PROJECTION) and told[:, column].all():
            tensor = tensor_of(name)
            distances[tensor] = np.maximum(distances.get(tensor, 0.0), relative[:, column])
    return distances
