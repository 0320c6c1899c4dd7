"""The ensemble of whole right runs: its fit, and pairs that it judges."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.validation.rounding.whole_fit import FEWEST_RUNS, RATE, fit_ensembles
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import PairFacts
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.training import check_accuracy, check_epoch_means
from tests.support.sample_traces import trace

EPOCHS, PER_EPOCH, TESTED = 3, 20, 10_000
SCATTER = np.array([0.01, 0.05, 0.2])  # of the log of an epoch's mean loss, from one run of a start to the next


def whole(start: int, run: int, right: int = 9000) -> Recording:
    """A whole run; the same number of both gives the same one."""
    rng = np.random.default_rng([start, run])
    means = np.log([1.0, 0.1, 0.01]) + 0.1 * start + SCATTER * rng.standard_normal(EPOCHS)
    keys = {"init_sha256": str(start), "netspec_hash": "ab", "planned_steps": EPOCHS * PER_EPOCH, "dtype": "f32"}
    made = trace(np.repeat(np.exp(means), PER_EPOCH), per_epoch=PER_EPOCH, config_epochs=EPOCHS, **keys)
    correct = right + round(20 * rng.standard_normal())
    return Recording(
        made, Manifest(status="complete", steps_written=EPOCHS * PER_EPOCH, test_correct=correct, test_total=TESTED)
    )


def many(runs: int, starts: int = 4) -> list[Recording]:
    return [whole(number % starts, number // starts) for number in range(runs)]


def test_deviations_are_those_of_runs_of_one_start() -> None:
    (found,) = fit_ensembles(many(400))
    assert found.epochs == pytest.approx(SCATTER, rel=0.1), "starts differ by more, and that is not rounding"
    assert found.accuracy == pytest.approx(0.2, rel=0.1)
    assert (found.runs, found.starts, found.rate) == (400, 4, RATE)


def test_few_unfinished_or_unknown_runs_are_no_ensemble() -> None:
    runs = many(FEWEST_RUNS)
    assert len(fit_ensembles(runs)) == 1
    assert fit_ensembles(runs[1:]) == []
    without_test = [replace(run, manifest=None) for run in runs]
    unknown = [_with(run, netspec_hash=None) for run in runs]
    short = [_with(run, config=run.trace.header.config | {"epochs": EPOCHS + 1}) for run in runs]
    assert fit_ensembles(without_test) == fit_ensembles(unknown) == fit_ensembles(short) == []


def _with(run: Recording, **header: object) -> Recording:
    return replace(run, trace=replace(run.trace, header=msgspec.structs.replace(run.trace.header, **header)))


def test_pairs_that_were_not_fitted_are_inside_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = fitted_bounds()
    later = msgspec.structs.replace(bounds.later, ensembles=fit_ensembles(many(24)))
    with_ensemble = msgspec.structs.replace(bounds, later=later)
    monkeypatch.setattr("harness.verdict.training.fitted_bounds", lambda: with_ensemble)
    outcomes = [outcomes_of(whole(start, 100), whole(start, 101)) for start in range(100)]
    assert outcomes.count(("pass", "pass")) >= 98
    a, b = whole(0, 7), whole(0, 8)
    wrong = replace(b, trace=replace(b.trace, loss=b.trace.loss * np.repeat([1.3, 1, 1], PER_EPOCH)))
    assert outcomes_of(a, wrong) == ("fail", "pass"), "by the rule for any network, 31 %, it would pass"
    poor = replace(
        b, manifest=Manifest(status="complete", steps_written=EPOCHS * PER_EPOCH, test_correct=8700, test_total=TESTED)
    )
    assert outcomes_of(a, poor) == ("pass", "fail")


def outcomes_of(a: Recording, b: Recording) -> tuple[str, str]:
    pair = PairFacts(compare(a, b, Judging()))
    means, accuracy = check_epoch_means(pair), check_accuracy(pair)
    assert means is not None and accuracy is not None
    return means.outcome, accuracy.outcome
