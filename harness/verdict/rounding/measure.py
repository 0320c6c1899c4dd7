"""How far apart the channels of a pair are, by kind and step: the measure that bounds are fitted to and judge by."""

import math
import statistics
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.verdict.channels import (
    GRAD,
    GRAD_PROJECTION,
    LOSS,
    PARAM,
    UPDATE,
    UPDATE_PROJECTION,
    Bools,
    Channels,
    kind_of,
    tensor_of,
)

# Rounding in the sum of a normalisation, times the root of 1 / epsilon, leaves as much of a gradient that is zero.
_FAINT = 3e-3
STATISTICS = ("least", "typical", "largest")
# A tensor's norm and its projection together: of two tensors that are apart, one number alone may be alike by chance.
VECTORS = {"gradients": (GRAD, GRAD_PROJECTION), "updates": (UPDATE, UPDATE_PROJECTION)}


@dataclass(frozen=True)
class Apart:
    """The relative differences of the channels of a kind at a step, or of its `VECTORS`.

    `least`: the smallest of them. A unit that rounding flipped changes the gradients below it and leaves those above
    alone, so that it is tiny; whatever is wrong on the way forward reaches every gradient. `typical`: their median.
    `largest`: the largest, of `channel`. All are NaN or infinite where a value is not finite. `tensors`: their number.
    """

    step: int
    kind: str
    least: float
    typical: float
    largest: float
    channel: str
    tensors: int


def measure(channels: Channels, noise: Container[str] = ()) -> Iterator[Apart]:
    """By step and then by kind in the order of the channels; a kind of which a step has nothing is left out.

    Left out are also tensors along whose gradient nothing can be told: see `faint`. `noise`: further ones, of which it
    is known otherwise.
    """
    relative, told = channels.relative, told_in(channels, noise)
    for row, step in enumerate(channels.steps):
        there = [column for column in range(len(channels.names)) if told[row, column]]
        yield from measure_step(step, {channels.names[column]: float(relative[row, column]) for column in there})


def measure_step(step: int, by_channel: Mapping[str, float]) -> Iterator[Apart]:
    """The figures of one step from the relative differences of its channels."""
    kinds: dict[str, dict[str, float]] = {}
    for name, apart in by_channel.items():
        kinds.setdefault(kind_of(name), {})[name] = apart
    for kind, here in kinds.items():
        yield from _apart(step, kind, here)
    for kind, (norm, projection) in VECTORS.items():
        yield from _apart(step, kind, _together(by_channel, norm, projection))


def _together(here: Mapping[str, float], norm: str, projection: str) -> dict[str, float]:
    tensors = [name.removeprefix(projection) for name in here if name.startswith(projection)]
    pairs = {t: (here[norm + t], here[projection + t]) for t in tensors if norm + t in here}
    # NaN where one of them is, which `max` alone would not give.
    return {norm + t: b if b > a or b != b else a for t, (a, b) in pairs.items()}


def _apart(step: int, kind: str, by_channel: Mapping[str, float]) -> Iterator[Apart]:
    """In plain Python: a step has a few dozen channels at most, of which numpy takes ten times as long."""
    if not by_channel:
        return
    channel, largest = max(by_channel.items(), key=lambda one: math.inf if one[1] != one[1] else one[1])
    values = list(by_channel.values())
    if any(value != value for value in values):
        least = typical = math.nan
    else:
        least, typical = min(values), statistics.median(values)
    yield Apart(step, kind, least, typical, largest, channel, len(values))


def told_in(channels: Channels, noise: Container[str] = ()) -> Bools:
    """Where both sides have a value that tells something. `noise`: tensors of which it is known that theirs do not.

    Shapes: (steps, channels).
    """
    known = np.array([kind_of(name) == LOSS or tensor_of(name) not in noise for name in channels.names])
    told: Bools = channels.both & ~faint(channels) & known
    return told


def faint(channels: Channels, below: float = _FAINT) -> Bools:
    """Tensors whose gradient is below that part of all gradients on both sides, and what is made of it.

    An attention's key bias has a gradient of exactly zero. Adam divides the rounding that is left of it by its own
    size, so that the update is noise as large as any other update. A parameter that had such an update is moved by it.

    Shapes: (steps, channels); true for gradients and their projections at that step, for updates and their projections
    from it on, and for norms of parameters after it.
    """
    at = {name: column for column, name in enumerate(channels.names)}
    result = np.zeros(channels.both.shape, bool)
    with np.errstate(all="ignore"):
        larger = np.maximum(np.abs(channels.a), np.abs(channels.b))
        low = channels.both & (larger < below * channels.rms)
    for name, column in at.items():
        if kind_of(name) == GRAD:
            tensor, now = name.removeprefix(GRAD), low[:, column]
            since = np.logical_or.accumulate(now)
            _mark(result, at, [GRAD + tensor, GRAD_PROJECTION + tensor], now)
            _mark(result, at, [UPDATE + tensor, UPDATE_PROJECTION + tensor], since)
            _mark(result[1:], at, [PARAM + tensor], since[:-1])
    return result


def _mark(result: Bools, at: Mapping[str, int], names: Sequence[str], rows: Bools) -> None:
    for name in names:
        if name in at:
            result[:, at[name]] = rows
