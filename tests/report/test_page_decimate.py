"""Decimation of a curve keeps everything that the eye looks for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.report.page.series import EARLY_STEPS, decimate

ANY = st.lists(st.one_of(st.floats(), st.integers(-3, 3).map(float)), min_size=1, max_size=600).map(np.array)


@given(ANY, st.integers(0, 300), st.integers(0, EARLY_STEPS))
def test_what_the_eye_looks_for_stays(values: np.ndarray, points: int, exact: int) -> None:
    kept = decimate(values, points, exact)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert kept[: min(exact, len(values))].tolist() == list(range(min(exact, len(values))))
    assert set(np.flatnonzero(~np.isfinite(values))) <= set(kept)
    finite = values[np.isfinite(values)]
    if len(finite):
        drawn = values[kept][np.isfinite(values[kept])]
        assert (drawn.min(), drawn.max()) == (finite.min(), finite.max())


@given(st.integers(0, 7019), st.sampled_from([-1.0, 1.0]))
def test_a_peak_of_one_step_stays(at: int, height: float) -> None:
    values = np.random.default_rng(0).uniform(-0.5, 0.5, 7020)
    values[at] = height
    assert at in decimate(values, 400)


@given(st.integers(1, 20_000), st.integers(2 * EARLY_STEPS, 2000))
def test_there_are_about_as_many_as_were_asked_for(count: int, points: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    assert len(decimate(values, points)) <= points + 2


def test_the_first_steps_are_exact_and_short_curves_whole() -> None:
    assert decimate(np.arange(7020.0), 300)[:EARLY_STEPS].tolist() == list(range(EARLY_STEPS))
    assert decimate(np.arange(300.0), 300).tolist() == list(range(300))


def test_a_curve_that_is_nowhere_finite_stays_whole() -> None:
    assert len(decimate(np.full(5000, np.nan), 300)) == 5000
