"""The gate `states`: what is missing is no pass, and what differs is named."""

from collections.abc import Sequence

import numpy as np
import pytest

from harness.trace.evaluations import Evaluation, evaluate
from harness.trace.recording import Recording
from harness.verdict.compare import compare, compare_parts
from harness.verdict.evidence import Beside, Evidence, FromStates
from harness.verdict.judge import judge
from tests.support.f64_recordings import f64_side
from tests.support.sample_traces import recording

LOGITS = np.random.default_rng(0).normal(size=(20, 4))
LABELS = np.arange(20, dtype=np.int32) % 4
WHOLE = recording([2.0, 1.5, 1.25])


def evaluated(step: int = 1, logits: np.ndarray = LOGITS, labels: np.ndarray = LABELS) -> Evaluation:
    found = evaluate(step, (LOGITS, LABELS), (logits, labels))
    assert found is not None
    return found


def side(**keys: object) -> Recording:
    """Three steps in f64 from the state before step 1."""
    return f64_side(run_steps="1+3", planned_steps=3, **keys)


def judged(b: Recording | None, states: Sequence[Evaluation]) -> Evidence:
    parts = None if b is None else compare_parts(side(), b)
    return line(FromStates(parts, states))


def line(found: FromStates | str | None) -> Evidence:
    verdict = judge(compare(WHOLE, WHOLE), Beside(from_states=found))
    return next(one for one in verdict.evidence if one.gate == "states")


def test_equal_sides_pass_with_steps_and_without() -> None:
    assert judged(side(), [evaluated()]).outcome == "pass"
    found = judged(None, [evaluated(5), evaluated(9)])
    assert (found.outcome, found.numbers["states"]) == ("pass", 2)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("it crashed", "is missing: it crashed."),
        (FromStates(None, ()), "there is none"),
        (FromStates(compare_parts(side(), side()), ()), "no logits by those before the steps 1"),
        (FromStates(compare_parts(side(), f64_side(run_steps="1+2,3+1")), (evaluated(),)), "the same parts of the run"),
        (FromStates(compare_parts(side(), f64_side([2.0, 1.5], planned_steps=3)), (evaluated(),)), "2 of 3 planned"),
    ],
    ids=["reason", "nothing", "logits", "parts", "short"],
)
def test_what_is_missing_is_inconclusive(found: FromStates | str, told: str) -> None:
    assert line(found).outcome == "inconclusive"
    assert told in line(found).line


def test_a_pair_that_was_not_run_is_not_reached() -> None:
    assert line(None).outcome == "unreached"


def test_logits_are_held_to_the_root_mean_square_of_all() -> None:
    size = float(np.sqrt(np.mean(np.square(LOGITS))))
    for times, outcome in ((0.5, "pass"), (2.0, "fail")):
        moved = LOGITS.copy()
        moved[7, 2] += times * 1e-9 * size
        assert judged(side(), [evaluated(logits=moved)]).outcome == outcome
    for value in (np.nan, np.inf):
        moved[7, 2] = value
        found = judged(side(), [evaluated(logits=moved)])
        assert (found.outcome, found.fault, found.place) == ("fail", "training", "logits by the state before step 1")
    found = judged(side(), [evaluated(labels=np.roll(LABELS, 1))])
    assert (found.outcome, found.place) == ("fail", "test labels by the state before step 1")


def test_the_first_step_that_differs_is_named_with_its_kind() -> None:
    found = judged(side(changes={("grad_norms", "w", 2): 1 + 1e-7}), [evaluated()])
    assert (found.outcome, found.fault, found.place) == ("fail", "backward", "step 2, gradient of w")
    first = judged(side(losses=[2.0 + 2.0**-19, 1.5, 1.25]), [evaluated()])
    assert (first.outcome, first.fault) == ("fail", "forward")
    other = judged(side(init_sha256="ab" * 32), [evaluated()])
    assert other.outcome == "pass", "the other side does not say"


def test_logits_of_other_shapes_are_no_evaluation() -> None:
    assert evaluate(1, (LOGITS, LABELS), (LOGITS[:5], LABELS[:5])) is None
    assert evaluate(1, (LOGITS[:0], LABELS[:0]), (LOGITS[:0], LABELS[:0])) is None
    zero = np.zeros((3, 2))
    assert evaluate(1, (zero, LABELS[:3]), (zero, LABELS[:3])).apart == 0  # type: ignore[union-attr]
