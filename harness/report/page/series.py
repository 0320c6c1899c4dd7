"""Curves of a page: the numbers that are drawn, and their encoding."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from harness.trace.format import Floats, Ints
from harness.verdict.channels import LOSS
from harness.verdict.envelope_gate import allowed_by
from harness.verdict.pair import PairRow
from harness.verdict.tolerance import allowance

POINTS_OF_A_PAGE = 240_000  # of about five bytes each
POINTS_OF_A_CURVE = 4_000  # more than a screen has
EARLY_STEPS = 64  # drawn one by one
_LEAST = 4 * EARLY_STEPS
_LARGEST = float(np.finfo(np.float32).max)

Chart = dict[str, int | None]


class Curves:
    """Curves in the order they were added, each once however many charts show it."""

    def __init__(self) -> None:
        self._columns: dict[bytes, tuple[int, Floats]] = {}

    def add(self, values: Floats) -> int:
        """The number of a curve that begins at step 1. Shapes: values (n,)."""
        number, _ = self._columns.setdefault(values.tobytes(), (len(self._columns), values))
        return number

    def decimated(self) -> list[tuple[Ints, Floats]]:
        """Of each curve the steps that are drawn and their values; fewer the more long curves there are."""
        columns = [values for _, values in self._columns.values()]
        long = sum(len(values) > _LEAST for values in columns)
        points = min(POINTS_OF_A_CURVE, max(_LEAST, POINTS_OF_A_PAGE // max(1, long)))
        kept = [decimate(values, points) for values in columns]
        return [(indices + 1, values[indices]) for indices, values in zip(kept, columns, strict=True)]


def decimate(values: Floats, points: int, exact: int = EARLY_STEPS) -> Ints:
    """The elements to draw, ascending: about `points` of them, or all when there are no more.

    Kept are the first `exact` ones, the last, everything that is not finite and, of each bucket of the others, the
    smallest and the largest, so that no peak is lost. Buckets grow with the step: curves are looked at from their
    beginning, on an even or on a logarithmic axis.

    Shapes: values (n,).
    """
    count = len(values)
    if count <= max(points, exact):
        return np.arange(count)
    buckets = max(1, (points - exact) // 2)
    finite = np.isfinite(values)
    rest = exact + np.flatnonzero(finite[exact:])
    bucket = (buckets * np.sqrt((rest - exact) / (count - exact))).astype(np.int64)
    order = np.lexsort((values[rest], bucket))  # by bucket, and in it by value
    first = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    last = np.append(first[1:], len(rest))[: len(first)] - 1
    extrema = rest[order[np.append(first, last)]]
    return np.unique(np.concatenate([np.arange(exact), extrema, np.flatnonzero(~finite), [0, count - 1]]))


def draw(rows: Sequence[PairRow], kept: Collection[int] | None = None) -> tuple[list[Chart | None], Curves]:
    """The chart of each pair, None where nothing was compared, and its curves. `kept`: places of pairs that have one.

    `a`, `b`, `delta`, `lockstep`, `tolerance`, `envelope` are numbers of curves, `steps`, `horizon` and `judged` steps.
    """
    curves = Curves()
    return [_chart(row, curves) if kept is None or n in kept else None for n, row in enumerate(rows)], curves


def encode(charts: Sequence[Chart | None], curves: Curves) -> tuple[bytes, bytes]:
    """Charts and the lengths of the curves as JSON, and the curves as numbers.

    Those are little-endian: of every curve the gaps between its steps as uint32, then of every curve its float32
    values. What float32 cannot hold becomes its largest; NaN and infinities stay.
    """
    drawn = curves.decimated()
    about = {"charts": charts, "lengths": [len(steps) for steps, _ in drawn]}
    gaps = [np.diff(steps, prepend=0).astype("<u4").tobytes() for steps, _ in drawn]
    numbers = b"".join([*gaps, *(_single(values).tobytes() for _, values in drawn)])
    return json.dumps(about, separators=(",", ":"), allow_nan=False).encode(), numbers


def _chart(row: PairRow, curves: Curves) -> Chart | None:
    comparison = row.comparison
    numbers = None if comparison is None else comparison.numbers
    if comparison is None or numbers is None or not numbers.compared:
        return None
    judged, mode = numbers.judged, comparison.judging.mode
    chart: Chart = {
        "a": curves.add(numbers.loss_a),
        "b": curves.add(numbers.loss_b),
        "delta": curves.add(numbers.delta),
        "steps": numbers.compared,
        "judged": judged,
        "horizon": comparison.judging.horizon,
    }
    if row.lockstep is not None and (together := row.lockstep.comparison.numbers) is not None:
        chart["lockstep"] = curves.add(together.delta)
    if judged and mode.atol > 0:
        chart["tolerance"] = curves.add(
            allowance(numbers.loss_a[:judged], numbers.loss_b[:judged], mode.atol, mode.rtol)
        )
    if row.envelope is not None:
        channels, _, allowed = allowed_by(row.envelope, comparison, numbers.compared)
        loss = channels.names.index(LOSS)
        with np.errstate(all="ignore"):
            chart["envelope"] = curves.add(allowed[:, loss] * channels.scale[:, loss])
    return chart


def _single(values: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
    inside = np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), values)
    return inside.astype("<f4")
