"""Later steps of two free runs: growing rounding passes, and what rounding cannot do does not."""

import math
import time
from collections.abc import Callable

import numpy as np
import pytest

from harness.trace.format import Floats
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import PairFacts
from harness.verdict.later_gate import check_later
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.drift import WINDOWS, Drift, ages_of, drifts, single_drifts
from tests.support.sample_traces import recording

FIRST = 9


def pair_of(steps: int, seed: int = 0, grown: float = 1e-2) -> tuple[Floats, Floats]:
    """Losses of the same batches, and a copy from which rounding has moved them away, ever further."""
    rng = np.random.default_rng(seed)
    a = 2 * np.exp(-np.arange(steps) / 200 + 0.2 * rng.standard_normal(steps))
    level = 1e-7 * (grown / 1e-7) ** np.minimum(np.arange(steps) / 60, 1)
    return a, a * np.exp(level * rng.standard_normal(steps))


def outcome(a: Floats, b: Floats) -> str:
    found = check_later(PairFacts(compare(recording(a.tolist()), recording(b.tolist()), Judging())))
    assert found is not None
    return found.outcome


@pytest.mark.parametrize("steps", [9, 12, 24, 40, 200, 1000])
def test_what_grows_as_rounding_does_passes(steps: int) -> None:
    for seed in range(5):
        assert outcome(*pair_of(steps, seed)) == "pass"


def tripled(b: Floats, begin: int) -> None:
    b[begin:] *= 3


def backwards(b: Floats, begin: int) -> None:
    b[begin:] = b[begin:][::-1].copy()


def huge(b: Floats, begin: int) -> None:
    b[begin:] = 1e30


def frozen(b: Floats, begin: int) -> None:
    b[begin:] = b[begin - 1]


def one_spike(b: Floats, begin: int) -> None:
    b[begin] *= 30


def lost(b: Floats, begin: int) -> None:
    b[begin] = 0.0


def shifted(b: Floats, begin: int) -> None:
    b[begin:] = np.roll(b[begin:], 1)


@pytest.mark.parametrize("spoil", [tripled, backwards, huge, frozen, one_spike, lost, shifted])
@pytest.mark.parametrize(("steps", "begin"), [(12, 9), (24, 9), (24, 20), (200, 40), (1000, 700)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_rounding_cannot_do_is_never_a_pass(
    spoil: Callable[[Floats, int], None], steps: int, begin: int, mirrored: bool
) -> None:
    a, b = pair_of(steps)
    spoil(b, begin)
    assert outcome(*((b, a) if mirrored else (a, b))) in ("fail", "inconclusive")


@pytest.mark.parametrize("spoil", [tripled, huge])
@pytest.mark.parametrize(("steps", "begin"), [(12, 9), (24, 20), (200, 40)])
def test_what_is_gross_fails(spoil: Callable[[Floats, int], None], steps: int, begin: int) -> None:
    a, b = pair_of(steps)
    spoil(b, begin)
    assert outcome(a, b) == "fail"


def test_losses_that_no_longer_go_together_are_found_in_chaos_too() -> None:
    """In the chaos of a late training single losses tell nothing, and their order does."""
    rng = np.random.default_rng(2)
    batches = rng.standard_normal(600)

    def side(seed: int) -> Floats:
        own = np.random.default_rng(seed).standard_normal(600)
        losses: Floats = 0.01 * np.exp(batches + 0.5 * own)
        return losses

    a, b = side(3), side(4)
    b[:8] = a[:8]
    figures = {one.kind: one for one in drifts(a, b, FIRST) if one.kind == "correlation"}
    assert figures["correlation"].value < fitted_bounds().later.correlation
    b[100:] = rng.permutation(b[100:])
    worst = max(one.value for one in drifts(a, b, FIRST) if one.kind == "correlation")
    assert worst > fitted_bounds().later.correlation


def test_coarse_printing_is_no_jump() -> None:
    a, b = pair_of(100, grown=1e-4)
    a, b = np.round(a, 4), np.round(b, 4)
    b[50] += 1e-4
    assert outcome(a, b) == "pass"


@pytest.mark.parametrize("steps", [8, 9, 40, 136, 137, 520, 1500])
def test_windows_are_whole_and_begin_after_the_first_steps(steps: int) -> None:
    losses = np.linspace(2, 1, steps)
    for length in WINDOWS:
        found = [one for one in drifts(losses, losses, FIRST) if one.kind == str(length)]
        assert bool(found) == (steps >= 8 + length)
        for one in found:
            assert (one.last - one.first + 1, (one.first - FIRST) % length) == (length, 0)
            assert one.last <= steps
        assert len({one.age for one in found}) == len(found)


@pytest.mark.parametrize("begin", [FIRST, 12, 77, 138, 900])
@pytest.mark.parametrize("length", WINDOWS)
def test_the_furthest_window_is_where_the_losses_differ(length: int, begin: int) -> None:
    start = FIRST + (begin - FIRST) // length * length
    losses = np.full(2000, 2.0)
    other = losses.copy()
    other[start - 1 : start + length - 1] *= 3
    found = max((one for one in drifts(losses, other, FIRST) if one.kind == str(length)), key=lambda one: one.value)
    assert (found.first, found.last, found.value) == (start, start + length - 1, pytest.approx(np.log(3)))


def test_a_million_steps_take_seconds() -> None:
    losses = 1 + np.random.default_rng(4).random(1_000_000)
    started = time.process_time()
    assert len(list(drifts(losses, losses * 1.001, FIRST))) < 200
    assert time.process_time() - started < 10


def test_a_constant_pair_has_nothing_to_correlate_and_a_frozen_side_has() -> None:
    constant = np.full(200, 2.3)
    assert not [one for one in drifts(constant, constant * (1 + 1e-7), FIRST) if one.kind == "correlation"]
    a, _ = pair_of(200)
    frozen_side = [one for one in drifts(a, constant, FIRST) if one.kind == "correlation"]
    assert min(one.value for one in frozen_side) > fitted_bounds().later.correlation


def test_ages_double() -> None:
    assert ages_of(np.array([9, 16, 17, 32, 33, 4096, 5616])).tolist() == [0, 0, 1, 1, 2, 8, 9]
    later = fitted_bounds().later
    assert later.allowed(Drift("1", 0.0, 10**6, 10**6)) == later.windows["1"][-1]
    assert all(row == sorted(row) for row in later.windows.values())


def test_single_steps_are_judged_by_their_age_whatever_is_between_them():
    a = np.full(6, 1.0)
    b = np.array([1.0, 1.2, 1.0, 0.5, 1.0, 1.0])
    steps = np.array([9, 16, 17, 32, 33, 1000])
    found = {one.age: one for one in single_drifts(a, b, steps)}  # too few for a median
    assert {age: (one.kind, one.first, one.last) for age, one in found.items()} == {
        0: ("1", 16, 16),
        1: ("1", 32, 32),
        2: ("1", 33, 33),
        6: ("1", 1000, 1000),
    }
    assert [one.value for one in found.values()] == pytest.approx([math.log(1.2), math.log(2), 0, 0])


def test_what_was_lost_in_printing_is_not_apart():
    a, b, steps = np.array([0.001, 0.5]), np.array([0.002, 0.5]), np.array([10, 20])
    assert max(one.value for one in single_drifts(a, b, steps)) == pytest.approx(math.log(2))
    assert max(one.value for one in single_drifts(a, b, steps, 1e-3)) == pytest.approx(0)
    assert max(one.value for one in single_drifts(a, b, steps, 1e-4)) == pytest.approx(math.log(2) - math.log(1.1))


def test_a_mean_is_no_further_apart_than_the_furthest_of_its_steps():
    draw = np.random.default_rng(7)
    a, b = (np.exp(draw.normal(size=(50, 10))) for _ in range(2))
    of_means = np.abs(np.log(a.mean(axis=1) / b.mean(axis=1)))
    assert (of_means <= np.abs(np.log(a / b)).max(axis=1)).all()


def test_many_steps_apart_in_one_direction_are_held_to_less_than_one():
    steps = np.arange(10, 110, 10)
    a, signs = np.full(10, 1.0), np.array([1, -1] * 5)
    later = fitted_bounds().later

    def gross(b: Floats) -> list[str]:
        return [one.kind for one in single_drifts(a, b, steps) if one.value > later.margin * later.allowed(one)]

    assert gross(np.full(10, 1.6)) == ["sustained"]
    assert gross(np.full(10, 1 / 1.6)) == ["sustained"]
    assert gross(1.6**signs) == gross(np.full(10, 1.2)) == []
    assert not [one for one in single_drifts(a[:7], a[:7], steps[:7]) if one.kind == "sustained"]
