"""The curves of a pair as a small picture that needs no script: losses above, their difference below on a log axis."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.report.page.series import decimate
from harness.trace.format import Floats, Ints
from harness.verdict.compare import Numbers

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, MIDDLE, BOTTOM = 64, 8, 140, 24
_POINTS = 600
_LEAST = 1e-12  # in the place of a difference of zero


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, drawn from the pixel row `bottom` up to `top`."""

    low: float
    high: float
    top: float
    bottom: float

    def row(self, value: float) -> float:
        """The pixel row of a value."""
        span = self.high / 2 - self.low / 2  # in halves, for what is as far apart as numbers can be
        share = (min(max(value, self.low), self.high) / 2 - self.low / 2) / span
        return self.bottom + share * (self.top - self.bottom)


@dataclass(frozen=True)
class CurveLine:
    """A curve: its key, and the points of each unbroken piece of it."""

    key: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Tick:
    """A mark of an axis, at a row."""

    row: float
    label: str


@dataclass(frozen=True)
class PairPicture:
    """What the template draws."""

    lines: tuple[CurveLine, ...]
    ticks: tuple[Tick, ...]
    first: int
    last: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    middle: int = MIDDLE


def picture(numbers: Numbers, together: Numbers | None = None) -> PairPicture | None:
    """The picture of a pair, and of the same pair in lockstep; None where nothing was compared."""
    if not numbers.compared:
        return None
    steps = numbers.steps
    losses = np.concatenate([numbers.loss_a, numbers.loss_b])
    losses = losses[np.isfinite(losses)]
    low, high = (float(losses.min()), float(losses.max())) if losses.size else (0.0, 1.0)
    above = Axis(low, high if high > low else low + 1.0, 12, MIDDLE - 12)
    apart = [("free", numbers.delta)] + ([] if together is None else [("lockstep", together.delta)])
    known = np.concatenate([delta[np.isfinite(delta) & (delta > 0)] for _, delta in apart])
    bounds = (float(known.min()), float(known.max())) if known.size else (_LEAST, 1.0)
    decades = math.floor(math.log10(bounds[0])), math.ceil(math.log10(bounds[1]))
    below = Axis(decades[0], max(decades[1], decades[0] + 1), MIDDLE + 12, HEIGHT - BOTTOM)
    losses_of = ("a", numbers.loss_a), ("b", numbers.loss_b)
    lines = [CurveLine(key, _pieces(steps, values, above)) for key, values in losses_of]
    for key, delta in apart:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(np.where(delta > 0, delta, 10.0**below.low))
        own = steps if key == "free" or together is None else together.steps
        lines.append(CurveLine(key, _pieces(own, np.where(np.isfinite(delta), logs, np.nan), below, steps)))
    return PairPicture(tuple(lines), tuple(_ticks(above, below)), int(steps[0]), int(steps[-1]))


def _pieces(steps: Ints, values: Floats, axis: Axis, whole: Ints | None = None) -> tuple[str, ...]:
    """The points of a curve, cut where it has a value that is not finite."""
    span = steps if whole is None else whole
    first, last = int(span[0]), max(int(span[-1]), int(span[0]) + 1)
    pieces: list[list[str]] = [[]]
    for k in decimate(values, _POINTS).tolist():
        if not math.isfinite(values[k]):
            pieces.append([])
            continue
        x = LEFT + (int(steps[k]) - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        pieces[-1].append(f"{x:.1f},{axis.row(float(values[k])):.1f}")
    return tuple(" ".join(piece if len(piece) > 1 else piece * 2) for piece in pieces if piece)


def _ticks(above: Axis, below: Axis) -> Iterator[Tick]:
    for value in (above.low, above.high):
        yield Tick(above.row(value), f"{value:.3g}")
    every = max(1, math.ceil((below.high - below.low) / 5))
    for decade in range(int(below.low), int(below.high) + 1, every):
        yield Tick(below.row(decade), f"1e{decade}")
