"""The gate of wide arithmetic: equal words pass, a last digit that tips is told from a fault, nothing else passes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.trace.recording import Recording
from harness.trace.words import words_digest
from harness.verdict.compare import compare
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, Beside, PairFacts
from harness.verdict.wide_gate import check_wide
from tests.support.sample_traces import recording

SIZES = {"w": 4000, "b": 10}
TOTAL = 2_000_000  # of which a word may tip within five steps
LENGTH = 20
LEVELS = {
    "grad_norms": 0.1,
    "param_norms": 10,
    "update_norms": 0.01,
    "grad_projections": 0.2,
    "update_projections": 0.1,
}
NORMS = {
    kind: {name: [level * (1 + 1e-3 * t + 1e-13) for t in range(LENGTH)] for name in SIZES}
    for kind, level in LEVELS.items()
}
Moved = Sequence[tuple[int, str, int, int]]


def side(moved: Moved = (), losses: dict[int, float] | None = None, norms: Any = None, **keys: Any) -> Recording:
    """A wide run. `moved`: from a step on, a word of a parameter is so many ulps off. `losses`: factors by step."""
    loss = [(2.0 - 0.05 * t) * (losses or {}).get(t, 1.0) for t in range(1, LENGTH + 1)]
    words = {}
    for step in range(1, LENGTH + 1):
        tensors = {name: np.full(n, 1.0 + step, np.float32).view(np.uint32) for name, n in SIZES.items()}
        for first, name, place, ulps in moved:
            if step >= first:
                tensors[name][place] = int(tensors[name][place]) + ulps
        words[step] = {name: words_digest(name, x.view(np.float32)) for name, x in tensors.items()}
    made = recording(loss, dtype="wide", total_params=keys.pop("total_params", TOTAL), norms=norms, **keys)
    return Recording(replace(made.trace, words=words), None)


def gate(a: Recording, b: Recording) -> Answer:
    pair = compare(a, b)
    return check_wide(PairFacts(pair, Beside(in_wide=pair)))


def test_wide_runs_of_a_pair_in_f32_cover_none_of_its_steps() -> None:
    in_f32, wide = compare(recording([1.0]), recording([1.0])), compare(side(), side())
    found = check_wide(PairFacts(in_f32, Beside(in_wide=wide)))
    assert (found.outcome, found.numbers["wide_steps"]) == ("pass", LENGTH)
    assert STEPS not in found.numbers


def with_norms(factor: float = 1.0, kind: str = "update_norms", step: int = 6) -> Any:
    changed = {of: {name: list(column) for name, column in tensors.items()} for of, tensors in NORMS.items()}
    changed[kind]["w"][step - 1] *= factor
    return changed


def test_equal_words_pass_and_cover_every_step() -> None:
    found = gate(side(), side(losses={3: 1 + 1e-15}))
    assert (found.outcome, found.numbers[STEPS], found.numbers["tensors_differ"]) == ("pass", LENGTH, 0)


def test_a_tipped_word_is_told_and_what_follows_is_not_covered() -> None:
    grown = [(6, "w", 17, 1), *((7, "w", i, 3) for i in range(100))]
    found = gate(side(), side(grown))
    assert (found.outcome, found.numbers[STEPS]) == ("pass", 6)
    assert "from step 7 on this has grown" in found.line


def test_a_tipped_word_that_is_pulled_back_leaves_all_steps_judged() -> None:
    healed = side([(6, "w", 17, 1), (9, "w", 17, -1), (15, "b", 2, -1)], losses={8: 1 + 1e-12})
    found = gate(side(), healed)
    assert (found.outcome, found.numbers[STEPS], found.numbers["tensors_differ"]) == ("pass", LENGTH, 9)
    assert "equal after 11 of 20 steps" in found.line
    # A loss that has parted further than by the rounding of f64 is where the rest is left to others.
    assert gate(side(), side([(6, "w", 17, 1)], losses={8: 1 + 1e-8})).numbers[STEPS] == 7


def test_more_words_than_tip_are_a_fault() -> None:
    many: Moved = [(6, "w", i, 1) for i in range(40)]
    found = gate(side(), side(many))
    assert (found.outcome, found.place, found.fault) == ("fail", "step 6, words of w", "training")
    found = gate(side(), side([(6, "w", 3, 2)]))  # no last digit
    assert (found.outcome, found.place) == ("fail", "step 6, words of w")
    faster = [0.001] * 5 + [0.0010000001] * 15
    found = gate(side(), side(many, lr=faster))
    assert (found.outcome, found.fault) == ("fail", "schedule")


def test_what_was_observed_of_a_step_names_the_fault() -> None:
    many: Moved = [(6, "w", i, 1) for i in range(40)]
    for kind, fault, place in (
        ("grad_norms", "backward", "step 6, gradient of w"),
        ("update_norms", "optimizer", "step 6, update of w"),
        # By 2.5e-7, as far as a tenth of the words brings it; the rounding of f64 explains some billionths.
        ("update_projections", "optimizer", "step 6, words of w"),
    ):
        found = gate(side(norms=NORMS), side(many, norms=with_norms(1 + 2.5e-6, kind)))
        assert (found.outcome, found.fault, found.place) == ("fail", fault, place)
    found = gate(side(norms=NORMS), side([(6, "w", 3, 1)], norms=with_norms(1 + 2.5e-6, "grad_norms")))
    assert (found.outcome, found.fault) == ("fail", "backward")  # though it is one last digit


def test_where_rounding_of_f64_grows_words_tell_nothing() -> None:
    many: Moved = [(6, "w", i, 1) for i in range(40)]
    # Gradients are 1e-10 apart, updates by the projection as much as one word in a million is.
    apart = with_norms(1 + 1e-10, "grad_projections")
    apart["update_projections"] = with_norms(1 + 1e-8, "update_projections")["update_projections"]
    found = gate(side(norms=NORMS), side(many, norms=apart))
    assert found.outcome == "note"
    assert STEPS not in found.numbers


def test_a_word_that_tips_too_early_is_no_pass() -> None:
    found = gate(side(total_params=4010), side([(6, "w", 17, 1)], total_params=4010))
    assert found.outcome == "note"


def test_losses_of_equal_parameters_have_to_agree_in_f64() -> None:
    found = gate(side(), side(losses={5: 1 + 1e-8}))
    assert (found.outcome, found.place, found.fault) == ("fail", "step 5, loss", "forward")
    # The losses of step 5 as f32 may part where rounding of f64 decides, which is counted.
    middle = 1.75 / (1.75 + 2.0**-24)
    found = gate(side(losses={5: 1 / middle * (1 + 1e-15)}), side(losses={5: 1 / middle * (1 - 1e-15)}))
    assert (found.outcome, found.numbers["losses_differ"]) == ("pass", 1)


def test_words_whose_gradient_is_nothing_but_rounding_are_not_judged() -> None:
    noise = {of: {**tensors, "b": [1e-17] * LENGTH} for of, tensors in NORMS.items()}
    found = gate(side(norms=noise), side([(2, "b", i, 9) for i in range(10)], norms=noise))
    assert (found.outcome, found.numbers[STEPS]) == ("pass", LENGTH)
    assert "not judged: b" in found.line


@pytest.mark.parametrize(
    "change",
    [
        lambda words: {step: of for step, of in words.items() if step != 4},
        lambda words: {step: {"w": of["w"]} for step, of in words.items()},
        lambda words: {},
    ],
    ids=["a step", "a tensor", "all"],
)
def test_missing_words_are_inconclusive(change: Any) -> None:
    b = side()
    found = gate(side(), Recording(replace(b.trace, words=change(b.trace.words)), None))
    assert found.outcome == "inconclusive"


def test_a_missing_pair_is_inconclusive_and_one_not_run_is_not_reached() -> None:
    pair = compare(recording([1.0]), recording([1.0]))
    assert check_wide(PairFacts(pair)).outcome == "unreached"
    assert check_wide(PairFacts(pair, Beside(in_wide="out of memory"))).outcome == "inconclusive"
    assert gate(side(), side(init_sha256="0" * 64)).outcome == "pass"
    assert gate(side(init_sha256="1" * 64), side(init_sha256="0" * 64)).fault == "contract"
    assert gate(side(), side(planned_steps=LENGTH + 1)).outcome == "inconclusive"
