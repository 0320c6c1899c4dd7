"""The curves of a page: which numbers are drawn, and how they travel."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.channels import LOSS
from harness.report import PairRow
from harness.summary.page.decimate import decimate
from harness.tolerance import allowance
from harness.trace import EARLY_STEPS, Floats, Ints
from harness.verdict.envelope import allowed_by

POINTS_OF_A_PAGE = 240_000  # at about seven bytes each
POINTS_OF_A_CURVE = 4_000  # more than a screen has
_LEAST = 4 * EARLY_STEPS
_LARGEST = float(np.finfo(np.float32).max)

Chart = dict[str, int | None]


class Curves:
    """Curves in the order they were added, each once however many charts show it.

    `points`: about so many of each are kept.
    """

    def __init__(self, points: int) -> None:
        self.points = points
        self._index: dict[bytes, int] = {}
        self._steps: list[Ints] = []
        self._values: list[Floats] = []

    def add(self, values: Floats) -> int:
        """The number of a curve that begins at step 1. Shapes: values (n,)."""
        key = values.tobytes()
        if key not in self._index:
            self._index[key] = len(self._steps)
            kept = decimate(values, self.points)
            self._steps.append(kept + 1)
            self._values.append(values[kept])
        return self._index[key]

    @property
    def lengths(self) -> list[int]:
        """How many points of each curve are kept."""
        return [len(steps) for steps in self._steps]

    def to_bytes(self) -> bytes:
        """Little-endian: of every curve the gaps between its steps as uint32, then of every curve its float32 values.

        What float32 cannot hold becomes its largest; NaN and infinities stay.
        """
        gaps = [np.diff(steps, prepend=0).astype("<u4").tobytes() for steps in self._steps]
        return b"".join([*gaps, *(_single(values).tobytes() for values in self._values)])


def draw(rows: Sequence[PairRow]) -> tuple[list[Chart | None], Curves]:
    """What the chart of each pair shows, None where nothing was compared, and its curves.

    `a`, `b`, `delta`, `tolerance`, `envelope` are numbers of curves, `horizon` and `judged` steps.
    """
    compared = [row for row in rows if row.comparison is not None and row.comparison.numbers is not None]
    share = POINTS_OF_A_PAGE // max(1, 3 * len(compared))
    curves = Curves(min(POINTS_OF_A_CURVE, max(_LEAST, share)))
    return [_chart(row, curves) for row in rows], curves


def as_json(charts: Sequence[Chart | None], curves: Curves) -> bytes:
    """What stands beside the numbers."""
    return json.dumps({"charts": charts, "lengths": curves.lengths}, separators=(",", ":"), allow_nan=False).encode()


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
