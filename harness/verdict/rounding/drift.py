"""How the losses of two free runs drift apart past their first steps: what growing rounding does, and what it cannot.

Figures are logarithms, base e, since rounding multiplies. Rounding grows from what is there already, so that one step
is only so many times as far apart as any before it; windows of steps are apart in the median by so much at their age;
and losses of the same batches go up and down together for as long as a training lasts.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, Ints

WINDOWS = (1, 8, 32, 128, 512)  # steps of which the median is judged
SUSTAINED = "sustained"
FEW = 8  # steps of which the median is judged where others between them are missing
_LEAST_LOSS = 1e-6  # smaller ones, and those that are not positive, count as that. Units: nats
LEAST_LEVEL = 1e-6  # differences below it are of the last digits; relative
_REACH = 32  # steps on either side in which a loss has its like
_BLOCK = 128  # steps of which the correlation is judged
_FEWEST = 32  # that have one
_CLOSE = 0.01  # losses that are closer in the median have no need to correlate; relative
_LEAST = 1e-3  # correlations below it count as that
_FIRST_AGE = 4  # windows that end by step 2^4 are of the first age


@dataclass(frozen=True)
class Drift:
    """One figure of some steps. `kind`: jump, spike, correlation, sustained, or a number of steps, of a window."""

    kind: str
    value: float
    first: int
    last: int

    @property
    def age(self) -> int:
        """How many times the training has doubled in length: 0 up to step 16, 1 up to 32, …"""
        return max(0, (self.last - 1).bit_length() - _FIRST_AGE)


def ages_of(steps: Ints) -> Ints:
    """The age of each step, from 0. Shapes: any."""
    ages: Ints = np.maximum(0, np.ceil(np.log2(steps)).astype(np.int64) - _FIRST_AGE)
    return ages


def single_drifts(a: Floats, b: Floats, steps: Ints, resolution: float = 0.0) -> Iterator[Drift]:
    """The figures of steps one by one, the largest of each age, and of several their median.

    That is all that can be told where steps are missing.
    A mean of losses is no further apart than the furthest of them, so that it may stand for the last of its steps.

    Shapes: a, b, steps (n,). Units: `resolution`, how coarsely both were printed together, in nats.
    """
    x, y = _logarithms(a, b)
    ratio = _beyond_printing(x, y, resolution)
    yield from _windows(ratio, steps, (1,))
    if len(steps) >= FEW:
        yield Drift(SUSTAINED, float(abs(np.median(ratio))), int(steps[0]), int(steps[-1]))


def drifts(a: Floats, b: Floats, first: int, resolution: float = 0.0) -> Iterator[Drift]:
    """The figures of the steps from `first` on: of windows the largest of each length and age, correlations one by one.

    A value is larger the further apart the runs are. Losses that are no finite numbers are left to another gate.

    Shapes: a, b (steps,), from step 1 on. Units: `resolution`, how coarsely both were printed together, in nats.
    """
    x, y = _logarithms(a, b)
    if len(x) < first:
        return
    ratio = x - y
    printed = resolution / np.maximum(np.exp(np.minimum(x, y)), _LEAST_LOSS)
    yield _jump(np.abs(ratio), first, printed)
    yield _spike(x, y, first)
    yield from _windows(ratio[first - 1 :], np.arange(first, len(x) + 1))
    yield from _correlations(x, y, first)


def _logarithms(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    x, y = (np.log(np.maximum(np.nan_to_num(side, nan=1.0), _LEAST_LOSS)) for side in (a, b))
    return x, y


def _beyond_printing(x: Floats, y: Floats, resolution: float) -> Floats:
    """The ratio of two sides, less what was lost in printing them; as logarithms."""
    ratio = x - y
    lost = np.log1p(resolution / np.maximum(np.exp(np.minimum(x, y)), _LEAST_LOSS))
    beyond: Floats = np.sign(ratio) * np.maximum(np.abs(ratio) - lost, 0.0)
    return beyond


def _jump(apart: Floats, first: int, printed: Floats) -> Drift:
    """How many times as far apart as at any step before."""
    level = np.maximum.accumulate(np.maximum(apart, LEAST_LEVEL))
    before = np.maximum(level[first - 2 : -1], printed[first - 1 :])
    times = np.log(np.maximum(apart[first - 1 :], LEAST_LEVEL) / before)
    at = first + int(np.argmax(times))
    return Drift("jump", float(times.max()), at, at)


def _spike(x: Floats, y: Floats, first: int) -> Drift:
    """How far a loss is above, or below, all that the other side has around it."""
    beyond = np.zeros(len(x))
    for one, other in ((x, y), (y, x)):
        around = np.pad(other, _REACH, mode="edge")
        highest, lowest = (_of_windows(around, 2 * _REACH + 1, extreme) for extreme in (np.maximum, np.minimum))
        beyond = np.maximum(beyond, np.maximum(one - highest, lowest - one))
    at = first + int(np.argmax(beyond[first - 1 :]))
    return Drift("spike", float(beyond[at - 1]), at, at)


def _of_windows(values: Floats, width: int, extreme: np.ufunc) -> Floats:
    """The extreme of every window, from those of windows half as wide. Shapes: values (n,) -> (n - width + 1,)."""
    found, wide = values, 1
    while 2 * wide <= width:
        found, wide = extreme(found[:-wide], found[wide:]), 2 * wide
    rest = width - wide
    return extreme(found[: len(found) - rest], found[rest:]) if rest else found


def _windows(ratio: Floats, steps: Ints, lengths: Sequence[int] = WINDOWS) -> Iterator[Drift]:
    """The furthest window of each length and age."""
    for length in lengths:
        whole = len(ratio) // length
        windows = ratio[: whole * length].reshape(whole, length)
        medians = np.abs(windows[:, 0] if length == 1 else np.median(windows, axis=1))
        last = steps[length - 1 :: length][:whole]
        begins = np.flatnonzero(np.diff(ages_of(last), prepend=-1)).tolist()
        for begin, end in itertools.pairwise([*begins, whole]):
            at = begin + int(np.argmax(medians[begin:end]))
            yield Drift(str(length), float(medians[at]), int(last[at]) - length + 1, int(last[at]))


def _correlations(x: Floats, y: Floats, first: int) -> Iterator[Drift]:
    """By block, how little the losses of both sides go up and down together: -log z, with z as Fisher transforms the
    correlation. A trend does not count, and what has none at all is as one that goes the other way.
    """
    for start in range(first, len(x) - _FEWEST + 2, _BLOCK):
        block = slice(start - 1, min(start + _BLOCK - 1, len(x)))
        if np.median(np.abs(x[block] - y[block])) < _CLOSE:
            continue
        u, v = (_without_trend(side[block]) for side in (x, y))
        scale = float(np.linalg.norm(u) * np.linalg.norm(v))
        together = float(u @ v) / scale if scale > 0 else 0.0
        yield Drift("correlation", -math.log(math.atanh(min(max(together, _LEAST), 1 - _LEAST))), start, block.stop)


def _without_trend(losses: Floats) -> Floats:
    place = np.linspace(-1, 1, len(losses))
    centred: Floats = losses - losses.mean()
    return centred - place * float(place @ centred) / float(place @ place)
