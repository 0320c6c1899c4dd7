"""The curves of a page, as a browser gets them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.report.page import series
from harness.report.page.series import EARLY_STEPS, draw, encode
from harness.trace.segments import SegmentEnd, Segments
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Lockstep
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.pairs import judge_cells
from tests.support.pages import a_night
from tests.support.sample_traces import recording
from tests.support.stored_cells import store


def decode(rows: tuple[PairRow, ...]) -> tuple[list[dict[str, int] | None], list[tuple[np.ndarray, np.ndarray]]]:
    """Data of a page: the charts, and of every curve its steps and values."""
    about, numbers = encode(*draw(rows))
    told = json.loads(about)
    total = sum(told["lengths"])
    gaps, values = np.frombuffer(numbers, "<u4", total), np.frombuffer(numbers, "<f4", total, 4 * total)
    ends = np.cumsum(told["lengths"])[:-1]
    return told["charts"], [
        (np.cumsum(gap), value) for gap, value in zip(np.split(gaps, ends), np.split(values, ends), strict=True)
    ]


def test_what_is_drawn_is_what_was_compared(tmp_path: Path) -> None:
    rows = a_night(tmp_path, wrong=True).rows
    charts, curves = decode(rows)
    assert [chart is None for chart in charts] == [row.comparison is None for row in rows]
    assert None in charts
    for row, chart in zip(rows, charts, strict=True):
        if chart is None or row.comparison is None or row.comparison.numbers is None:
            continue
        for name, column in (("a", "loss_a"), ("b", "loss_b"), ("delta", "delta")):
            steps, values = curves[chart[name]]
            compared = getattr(row.comparison.numbers, column)
            assert values.tolist() == compared[steps - 1].astype(np.float32).tolist()
            assert steps[:8].tolist() == list(range(1, 9))
        assert chart["steps"] == row.comparison.numbers.compared


def test_the_difference_in_lockstep_is_drawn_beside_that_of_the_free_runs() -> None:
    free, follower = recording([2.0, 1.5, 1.25]), recording([2.0, 1.5, 1.25 + 2**-20])
    segments = Segments(leader="phase2", planned=1, tensors=[], ends=[SegmentEnd(1, 4, [])])
    lockstep = Lockstep(compare(free, follower), segments)
    row = judge_recordings(free, recording([2.0, 1.5, 1.5]), Judging(), beside=Beside(lockstep=lockstep))
    (chart,), curves = decode((row,))
    assert chart is not None
    assert [curves[chart[name]][1].tolist() for name in ("delta", "lockstep")] == [[0, 0, 0.25], [0, 0, 2**-20]]


def test_a_curve_of_several_pairs_travels_once(tmp_path: Path) -> None:
    charts, _ = decode(a_night(tmp_path).rows)
    of_side: dict[int, int] = {}
    for chart in filter(None, charts):
        of_side[chart["a"]] = of_side.get(chart["a"], 0) + 1
    assert max(of_side.values()) > 1


def test_envelope_and_tolerance_are_those_the_gates_judged_by(tmp_path: Path) -> None:
    rows = a_night(tmp_path).rows
    charts, curves = decode(rows)
    (row, chart), *_ = ((r, c) for r, c in zip(rows, charts, strict=True) if c is not None and "envelope" in c)
    assert row.envelope is not None
    assert row.comparison is not None
    numbers = row.comparison.numbers
    assert numbers is not None
    steps, allowed = curves[chart["envelope"]]
    assert steps.tolist() == list(range(1, row.envelope.judged + 1))
    assert (numbers.delta[: len(steps)] <= allowed).all()  # the gate passed
    assert chart["horizon"] == row.envelope.horizon == numbers.judged
    steps, tolerance = curves[chart["tolerance"]]
    assert len(steps) == numbers.judged
    assert np.allclose(tolerance, np.maximum(0.01, 0.1 * np.maximum(numbers.loss_a, numbers.loss_b))[: len(steps)])


def test_what_is_not_finite_or_too_large_is_still_drawn(tmp_path: Path) -> None:
    (chart,), curves = decode(_pair(tmp_path, [[1.0, np.nan, np.inf, 1e300]] * 2))
    assert chart is not None
    steps, values = curves[chart["a"]]
    assert steps.tolist() == [1, 2, 3, 4]
    assert values[0] == 1
    assert np.isnan(values[1])
    assert np.isposinf(values[2])
    assert values[3] == np.finfo(np.float32).max


def test_many_long_curves_share_the_page(tmp_path: Path) -> None:
    (row,) = _pair(tmp_path, np.random.default_rng(0).uniform(1, 2, (2, 7020)).tolist())
    few = max(len(steps) for steps, _ in decode((row,))[1])
    many = max(len(steps) for steps, _ in decode(tuple(_copies(row, 200)))[1])
    assert 4 * EARLY_STEPS <= many < 1000 < 3000 < few <= series.POINTS_OF_A_CURVE


def _pair(root: Path, losses: Sequence[Sequence[float]]) -> tuple[PairRow, ...]:
    cells = [store(root, pipeline, of) for pipeline, of in zip(("phase2", "phase3"), losses, strict=True)]
    return tuple(judge_cells(cells, Judging()))


def _copies(row: PairRow, count: int) -> list[PairRow]:
    """The same pair with other numbers, so that no curve is shared."""
    assert row.comparison is not None
    numbers = row.comparison.numbers
    assert numbers is not None
    others = [replace(numbers, delta=numbers.delta + k, loss_a=numbers.loss_a + k) for k in range(count)]
    return [replace(row, comparison=replace(row.comparison, numbers=other)) for other in others]
