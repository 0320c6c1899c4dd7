"""The margin beyond an envelope's spread: the fit of a tail, what it allows, and what the shipped one was fitted on."""

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.nn.cases import find_case
from harness.validation.power import calibrate
from harness.validation.power.calibrate import (
    PairRatios,
    clean_pairs,
    count_outside,
    default_names,
    fit_and_check,
    fit_margin,
    fit_tail,
)
from harness.verdict.envelope.margin import DEFAULT_RATE, Margin, fitted_margin

TESTS = 100


def drawn_pairs(seed: int, count: int, alpha: float = 2.0) -> list[PairRatios]:
    """Ratios with a Pareto tail: a ratio is beyond x with probability x^-alpha."""
    rng = np.random.default_rng(seed)
    return [PairRatios(f"net{i}", i, (rng.pareto(alpha, TESTS) + 1).tolist()) for i in range(count)]


def test_the_tail_of_a_known_distribution_is_found() -> None:
    margin = fit_tail(drawn_pairs(0, 200))
    assert margin.exceeding == pytest.approx(calibrate.TAIL, rel=0.01)
    assert margin.shape == pytest.approx(0.5, abs=0.1)
    true = (TESTS / 0.05) ** 0.5  # beyond it is one of a hundred tests in a twentieth of the pairs
    assert margin.factor(0.05, TESTS) == pytest.approx(true, rel=0.2)


def test_as_many_other_pairs_are_outside_as_was_asked() -> None:
    margin = fit_tail(drawn_pairs(0, 400))
    assert count_outside(margin, drawn_pairs(1, 2000)) == pytest.approx(DEFAULT_RATE * 2000, abs=8)


def test_every_pair_is_held_out_once() -> None:
    even, odd = drawn_pairs(0, 40)[0::2], drawn_pairs(0, 40)[1::2]
    margin = fit_and_check(drawn_pairs(0, 40))
    assert margin.fitted_on["networks"] == [f"net{i}" for i in range(40)]
    assert margin.held_out["pairs"] == margin.fitted_on["pairs"] == 40
    assert margin.held_out["outside"] == count_outside(fit_tail(even), odd) + count_outside(fit_tail(odd), even)
    far = PairRatios("far", 0, [1e9] * TESTS)
    assert fit_and_check([*drawn_pairs(0, 40), far]).held_out["outside"] >= 1


def test_a_smaller_rate_and_more_tests_allow_more() -> None:
    margin = fitted_margin()
    rates = [margin.factor(rate, TESTS) for rate in (0.9, 0.1, 0.01, 0.001)]
    assert all(b > a for a, b in itertools.pairwise(rates))
    tests = [margin.factor(DEFAULT_RATE, n) for n in (1, 10, 100, 1000)]
    assert all(b > a for a, b in itertools.pairwise(tests[1:]))
    assert tests[0] >= margin.threshold


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false-positive rate"):
        fitted_margin().factor(rate, 1)


def test_the_shipped_margin_holds_for_networks_left_out_of_its_fit() -> None:
    margin = fitted_margin()
    assert tuple(margin.fitted_on["networks"]) == default_names()
    assert margin.held_out["pairs"] == margin.fitted_on["pairs"] >= 60
    assert margin.held_out["outside"] == 0
    assert margin.factor(DEFAULT_RATE, 8) < margin.factor(DEFAULT_RATE, TESTS) < 1000


def test_pairs_that_are_kept_are_not_run_again(tmp_path: Path, monkeypatch) -> None:
    names = ("dense", "conv", "convbn", "residual")
    for pair, name in zip(drawn_pairs(0, len(names)), names, strict=True):
        kept = PairRatios(name, 42, pair.ratios)
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode([kept]))
    monkeypatch.setattr(calibrate, "resolve_data", lambda *arguments: pytest.fail("nothing is to be run"))
    said: list[str] = []
    margin = fit_margin((42,), names, 1, tmp_path, said.append)
    assert isinstance(margin, Margin)
    assert margin.fitted_on["networks"] == list(names)
    assert [line.partition(":")[0] for line in said] == list(names)


def test_a_clean_pair_is_measured_in_every_channel_of_its_envelope(mnist: Path) -> None:
    (pair,) = clean_pairs("dense", str(mnist), (42,))
    channels = 1 + 4 * 2  # the loss; norms and projections of the gradients and updates of w and b
    assert len(pair.ratios) % channels == 0
    assert len(pair.ratios) >= 3 * channels
    assert 0 < pair.worst < fitted_margin().factor(DEFAULT_RATE, len(pair.ratios))


def test_every_default_network_exists() -> None:
    assert all(find_case(name).spec for name in default_names())
