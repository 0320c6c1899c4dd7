import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict.resolution import find_resolution, printed_spacing
from harness.verdict.tolerance import (
    DEFAULT_MODE,
    MODES,
    Mode,
    allowance,
    difference,
    find_smallest,
    first_false,
    is_close,
)

STRICT = MODES["strict"]
finite = st.floats(allow_nan=False, allow_infinity=False)
losses = st.floats(min_value=0, max_value=20)


@st.composite
def pairs(draw, values=losses, least=1):
    """Two columns that are mostly near each other, in every magnitude of nearness."""
    a = draw(st.lists(values, min_size=least, max_size=12))
    nudges = [draw(st.sampled_from([0.0, 1e-9, 1e-6, 9e-5, 1.1e-4, 1e-3, 9e-3, 2e-2, 0.2])) for _ in a]
    signs = [draw(st.sampled_from([-1.0, 1.0])) for _ in a]
    with np.errstate(over="ignore"):
        b = np.array(a) + np.array(signs) * np.array(nudges)
    return np.array(a), b


def close(a: float, b: float, mode: Mode) -> bool:
    return bool(is_close(np.array([a]), np.array([b]), mode.atol, mode.rtol)[0])


def test_the_modes_are_the_published_ones_strictest_first():
    assert [(mode.name, mode.atol, mode.rtol) for mode in MODES.values()] == [
        ("bitwise", 0.0, 0.0),
        ("strict", 1e-4, 1e-3),
        ("cross-gpu", 1e-3, 1e-2),
        ("cross-comp", 1e-2, 1e-1),
    ]
    assert DEFAULT_MODE.name == "cross-comp"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1.0, 1.0, True),
        (0.0, -0.0, True),
        (0.0, 1e-4, True),  # atol alone is enough
        (0.0, 1.0001e-4, False),
        (100.0, 100.1, True),  # rtol alone is enough
        (100.0, 100.11, False),
        (0.1, 0.1 + 0.00015, False),  # atol plus rtol would let it pass: they do not add up
        (2.0, 2.0 + 1.9e-3, True),
        (2.0, 2.0 + 2.1e-3, False),  # beyond: the rule is not inverted
    ],
)
def test_the_closeness_rule_at_its_corners(a, b, expected):
    assert close(a, b, STRICT) is expected
    assert close(b, a, STRICT) is expected
    assert close(-a, -b, STRICT) is expected


@given(pairs(), st.sampled_from(list(MODES.values())))
def test_the_closeness_rule_is_the_formula(pair, mode):
    a, b = pair
    expected = [abs(x - y) <= max(mode.rtol * max(abs(x), abs(y)), mode.atol) for x, y in zip(a, b, strict=True)]
    assert is_close(a, b, mode.atol, mode.rtol).tolist() == expected


@given(finite, st.sampled_from([math.nan, math.inf, -math.inf]), st.sampled_from(list(MODES.values())))
def test_nothing_is_close_to_what_is_not_finite(value, odd, mode):
    assert not close(value, odd, mode)
    assert not close(odd, value, mode)


@pytest.mark.parametrize("a", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("b", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_nan_and_infinity_are_not_close_even_to_themselves(a, b, mode):
    assert not close(a, b, mode)
    assert math.isnan(difference(np.array([a]), np.array([b]))[0])


@given(st.floats(), st.floats())
def test_stricter_modes_imply_looser_ones_for_any_two_numbers(a, b):
    passed = [close(a, b, mode) for mode in MODES.values()]
    assert passed == sorted(passed)


@given(pairs(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_everything_is_symmetric(pair):
    a, b = pair
    np.testing.assert_array_equal(difference(a, b), difference(b, a))
    np.testing.assert_array_equal(allowance(a, b, 1e-4, 1e-3), allowance(b, a, 1e-4, 1e-3))
    one, other = find_smallest(a, b, STRICT), find_smallest(b, a, STRICT)
    assert one is not None
    assert other is not None
    assert (one.atol, one.multiple, one.mode) == (other.atol, other.multiple, other.mode)
    assert (one.worst.step, one.worst.a, one.worst.b) == (other.worst.step, other.worst.b, other.worst.a)


def test_values_are_not_rounded_before_they_are_compared():
    assert difference(np.array([1.0]), np.array([1.0 + 2**-52]))[0] == 2**-52
    assert not close(1.0, 1.0 + 2**-52, MODES["bitwise"])


@given(pairs(), st.integers(1, 50))
def test_the_tolerance_does_not_grow_with_the_number_of_steps(pair, copies):
    a, b = pair
    alone = is_close(a, b, STRICT.atol, STRICT.rtol)
    np.testing.assert_array_equal(is_close(np.tile(a, copies), np.tile(b, copies), 1e-4, 1e-3), np.tile(alone, copies))


@given(pairs(), st.sampled_from([m for m in MODES.values() if m.atol]))
def test_the_smallest_tolerances_pass_and_smaller_ones_do_not(pair, mode):
    a, b = pair
    smallest = find_smallest(a, b, mode)
    assert smallest is not None
    assert is_close(a, b, smallest.atol, 0.0).all()
    more, less = 1 + 1e-12, 1 - 1e-12
    multiple = smallest.multiple
    assert is_close(a, b, multiple * mode.atol * more, multiple * mode.rtol * more).all()
    if smallest.atol > 0:
        assert not is_close(a, b, smallest.atol * less, 0.0).all()
        assert not is_close(a, b, multiple * mode.atol * less, multiple * mode.rtol * less).all()
    strictest = [m.name for m in MODES.values() if is_close(a, b, m.atol, m.rtol).all()]
    assert smallest.mode == (strictest[0] if strictest else None)


def test_the_worst_element_is_the_one_that_needs_most():
    a, b = np.array([0.0, 100.0, 1.0]), np.array([2e-4, 100.09, 1.0])
    smallest = find_smallest(a, b, STRICT)
    assert smallest is not None
    assert (smallest.worst.step, smallest.worst.a, smallest.worst.b, smallest.worst.allowed) == (1, 0.0, 2e-4, 1e-4)
    assert smallest.multiple == 2.0
    assert smallest.atol == pytest.approx(0.09)
    assert smallest.mode == "cross-gpu"


def test_no_tolerance_passes_what_is_not_finite():
    smallest = find_smallest(np.array([1.0, math.nan]), np.array([1.0, math.nan]), STRICT)
    assert smallest is not None
    assert (smallest.atol, smallest.multiple, smallest.mode, smallest.worst.step) == (math.inf, math.inf, None, 2)


def test_bitwise_needs_nothing_or_cannot_be_met_by_any_multiple():
    equal = find_smallest(np.array([1.0]), np.array([1.0]), MODES["bitwise"])
    apart = find_smallest(np.array([1.0, 1.0]), np.array([1.0, 1.5]), MODES["bitwise"])
    assert equal is not None
    assert apart is not None
    assert (equal.multiple, equal.mode) == (0.0, "bitwise")
    assert (apart.multiple, apart.atol, apart.mode, apart.worst.step) == (math.inf, 0.5, None, 2)


def test_nothing_is_not_close():
    assert find_smallest(np.array([]), np.array([]), STRICT) is None


def test_first_false_is_a_step():
    assert first_false(np.array([True, False, False])) == 2
    assert first_false(np.array([True])) is None
    assert first_false(np.array([], np.bool_)) is None


# ---- print resolution


def printed(values: np.ndarray, digits: int) -> np.ndarray:
    return np.array([float(f"{value:.{digits}f}") for value in values])


@given(st.lists(st.floats(2**-10, 8, width=32), min_size=20, max_size=60), st.integers(2, 6))
def test_decimals_are_found(values, digits):
    numbers = printed(np.array([*values, 0.123456789, 1.987654321]), digits)
    assert find_resolution(numbers) == float(f"1e-{digits}")


@given(st.lists(st.floats(2**-10, 8, width=32), max_size=60))
def test_exact_floats_have_no_print_resolution(values):
    assert find_resolution(np.array(values, np.float64)) is None


@pytest.mark.parametrize("low", [1e-4, 0.1, 2.0])
@pytest.mark.parametrize("count", [1, 2, 30, 1000])
def test_the_shortest_decimals_of_float32_are_not_coarser_than_float32(low, count):
    values = np.random.default_rng(1).uniform(low, 3, count).astype(np.float32)
    shortest = np.array([float(str(value)) for value in values])
    assert (shortest != values).any()
    assert find_resolution(shortest) is None


@given(st.lists(st.floats(0.001, 8).filter(lambda x: float(np.float32(x)) != x), min_size=4, max_size=60))
def test_doubles_with_all_their_digits_have_no_print_resolution(values):
    if not any(float(f"{value:.12f}") == value for value in values):
        assert find_resolution(np.array(values)) is None


def test_one_value_with_more_digits_shows_that_the_others_had_them_too():
    numbers = printed(np.linspace(0.1, 3, 500), 6)
    assert find_resolution(numbers) == 1e-6
    assert find_resolution(np.append(numbers, 0.12345678901)) is None


def test_non_finite_values_do_not_count():
    assert find_resolution(np.array([math.nan, math.inf, 0.123456])) == 1e-6
    assert find_resolution(np.array([math.nan])) is None
    assert find_resolution(np.array([1e300, 1.1e300])) is None


@pytest.mark.parametrize(
    ("printed", "spacing"),
    [
        ([1.234, 12.3, 0.1235, 0.01236], [1e-3, 1e-2, 1e-4, 1e-5]),  # to four digits
        ([1.234, 12.345, 0.123, 0.011], [1e-3] * 4),  # to three decimals
        ([1.234, 12.3, 0.1235, 0.0123456789012], [0.0] * 4),  # one was printed in full
        ([1.234, 12.3, 0.1235], [0.0] * 3),  # too few to tell
        ([0.5, 0.25, 1.125, 3.0, 7.75], [0.0] * 5),  # float32 without loss
    ],
)
def test_the_spacing_of_printed_numbers(printed: list[float], spacing: list[float]) -> None:
    assert printed_spacing(np.array(printed)) == pytest.approx(spacing)
