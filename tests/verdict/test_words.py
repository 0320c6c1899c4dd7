"""The sentence of every outcome of a gate that looks at one pair, and of the verdict. Other tests hold what it says."""

import dataclasses
import math

import pytest

from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict.compare import Judging, compare
from harness.verdict.judge import judge
from tests.support.sample_traces import recording

DEFAULT = Judging()
FOUR, SIX = recording([1.0] * 4), recording([1.0] * 6)
TWENTY = recording([1.0] * 20)
FED = recording([1.0] * 4, digests={1: "aa", 2: "bb"})
STATED = recording([1.0], conventions={"pool_ties": "first"})
SHORT = recording([1.0] * 4, planned_steps=8)
CRASHED = recording([1.0] * 4, manifest=Manifest(status="crashed", reason="out of disk", steps_written=4))
MISCOUNTED = recording([1.0] * 4, manifest=Manifest(status="complete", steps_written=5))
CUT = Recording(dataclasses.replace(FOUR.trace, truncated=True))
OF_ANOTHER = Recording(
    dataclasses.replace(FOUR.trace, sha256="a" * 64),
    Manifest(status="complete", steps_written=4, trace_sha256="b" * 64),
)
STARTED = recording([1.0], init_sha256="aa", data_sha256="bb")
EPOCHS = recording([1.0] * 40, per_epoch=20)


def with_counts(correct: int) -> Recording:
    """A short run that has tested on 128 images."""
    manifest = Manifest(status="complete", steps_written=4, test_correct=correct, test_total=128)
    return recording([1.0] * 4, manifest=manifest)


def with_accuracy(accuracy: float | None) -> Recording:
    """A whole run of two epochs."""
    manifest = Manifest(status="complete", steps_written=8, test_accuracy=accuracy)
    return recording([1.0] * 8, manifest=manifest, per_epoch=4, config_epochs=2)


@pytest.mark.parametrize(
    ("gate", "a", "b", "outcome", "sentence"),
    [
        (
            "contract",
            recording([math.nan], dataset="x" * 500),
            recording([1.0], dataset="mnist", config_lr=1.0),
            "fail",
            f"dataset is '{'x' * 76}... in A and 'mnist' in B; config.lr is 0.001 in A and 1.0 in B.",
        ),
        (
            "contract",
            recording([1.0], params=["w", "b"]),
            recording([1.0], params=["w", "c"]),
            "fail",
            "params[1] is 'b' in A and 'c' in B.",
        ),
        (
            "contract",
            recording([1.0], params=["w", "b"]),
            recording([1.0], params=["w"]),
            "fail",
            "params: 2 in A and 1 in B.",
        ),
        (
            "contract",
            recording([1.0], netspec_hash="ab"),
            recording([1.0], dtype="f32"),
            "pass",
            "the headers agree on every key that both have; unknown because only A has it: netspec_hash; "
            "unknown because only B has it: dtype; "
            "neither has init_sha256 and data_sha256: that they start alike is not known.",
        ),
        ("contract", STARTED, STARTED, "pass", "the headers agree on every key that both have."),
        (
            "data",
            FED,
            recording([1.0] * 4, digests={1: "aa", 2: "cc"}),
            "fail",
            "batch_sha256 of step 2 is 'bb' in A and 'cc' in B.",
        ),
        ("data", FED, FED, "pass", "the batches of 2 steps are the same on both sides."),
        ("data", FED, FOUR, "unreached", "no compared step has a batch digest on both sides."),
        (
            "conventions",
            STATED,
            recording([1.0], conventions={"pool_ties": "all"}),
            "note",
            "differ: pool_ties is 'first' in A and 'all' in B.",
        ),
        ("conventions", STATED, FOUR, "note", "only A states its conventions."),
        ("conventions", FOUR, STATED, "note", "only B states its conventions."),
        ("conventions", FOUR, FOUR, "note", "neither side states its conventions."),
        ("conventions", STATED, STATED, "note", "both sides state the same conventions."),
        ("complete", CRASHED, FOUR, "inconclusive", "the run of A is crashed (out of disk)."),
        ("complete", FOUR, MISCOUNTED, "inconclusive", "the manifest of B says 5 steps, its trace has 4."),
        (
            "complete",
            OF_ANOTHER,
            FOUR,
            "inconclusive",
            "the manifest of A describes another trace: its trace_sha256 is not this file's.",
        ),
        ("complete", SHORT, SHORT, "inconclusive", "A has 4 of 8 planned steps; B has 4 of 8 planned steps."),
        ("complete", FOUR, CUT, "inconclusive", "the trace of B ends in the middle of a line."),
        ("complete", FOUR, SIX, "inconclusive", "A has 4 steps, B has 6; compare prefixes with --steps."),
        ("complete", recording([]), recording([]), "inconclusive", "there is no step to compare."),
        ("complete", FOUR, FOUR, "pass", "4 steps of both sides are compared."),
        (
            "finite",
            recording([1.0, math.nan]),
            recording([1.0, math.inf]),
            "fail",
            "not finite: A at step 2 (loss nan, lr 0.001), B at step 2 (loss inf, lr 0.001); both diverged.",
        ),
        (
            "schedule",
            TWENTY,
            recording([1.0] * 20, lr=[0.001] * 15 + [0.0005] * 5),
            "fail",
            "the learning rates of step 16 are 0.001 and 0.0005, further apart than rounding.",
        ),
        (
            "schedule",
            TWENTY,
            recording([1.0] * 20, per_epoch=10),
            "fail",
            "step 11 is in epoch 0 of A and in epoch 1 of B.",
        ),
        (
            "schedule",
            FOUR,
            FOUR,
            "pass",
            "epochs begin at the same steps; learning rates agree to 1e-05 of each other.",
        ),
        (
            "forward",
            recording([1.0]),
            recording([2.0]),
            "fail",
            "the losses of step 1 are 1 and 2, 1.00e+00 apart, beyond cross-comp; "
            "step 1 sees only the initial parameters, the data and the forward pass.",
        ),
        ("forward", FOUR, FOUR, "pass", "step 1: equal."),
        (
            "backward and optimizer",
            recording([1.0, 1.0]),
            recording([1.0, 2.0]),
            "fail",
            "the losses of step 2 are 1 and 2, 1.00e+00 apart, beyond cross-comp; "
            "step 2 is the first to see the backward pass and the optimizer.",
        ),
        (
            "backward and optimizer",
            recording([1.0] * 3),
            recording([1.0, 1.0, 2.0]),
            "fail",
            "the losses of step 3 are 1 and 2, 1.00e+00 apart, beyond cross-comp; "
            "step 3 is the first to see the optimizer's state.",
        ),
        ("backward and optimizer", FOUR, FOUR, "pass", "steps 2 to 3: every loss is equal."),
        (
            "window",
            FOUR,
            recording([1.0, 1.0, 1.0, 2.0]),
            "fail",
            "the losses of step 4 are 1 and 2, 1.00e+00 apart, beyond cross-comp.",
        ),
        (
            "epoch means",
            EPOCHS,
            recording([1.0] * 20 + [0.4] * 20, per_epoch=20),
            "fail",
            "the mean losses of epoch 1 are 1 and 0.4, 60.0 % apart, allowed are 31 %.",
        ),
        ("epoch means", EPOCHS, EPOCHS, "pass", "the means of 2 complete epochs are at most 0.0 % apart (epoch 0)."),
        ("epoch means", FOUR, FOUR, "unreached", "no step lies beyond the judged ones."),
        (
            "accuracy",
            with_accuracy(0.9851),
            with_accuracy(0.980),
            "fail",
            "test accuracies 98.51 % and 98.00 % are 0.51 points apart, allowed are 0.5.",
        ),
        (
            "accuracy",
            with_accuracy(0.985),
            with_accuracy(0.98),
            "pass",
            "test accuracies 98.50 % and 98.00 % are 0.50 points apart.",
        ),
        ("accuracy", with_accuracy(None), with_accuracy(0.98), "unreached", "no test accuracy is known of A."),
        ("accuracy", FOUR, FOUR, "unreached", "no test accuracy is known of A and B."),
        (
            "accuracy",
            FOUR,
            SIX,
            "unreached",
            "not every step of both sides is compared.",
        ),
        (
            "accuracy",
            with_counts(82),
            with_counts(30),
            "fail",
            "test accuracies 64.06 % and 23.44 % are 40.62 points apart, allowed are 24.8: "
            "4 standard deviations of chance with 128 test images.",
        ),
    ],
)
def test_a_gate_says_its_outcome_in_one_sentence(
    gate: str, a: Recording, b: Recording, outcome: str, sentence: str
) -> None:
    lines = judge(compare(a, b, DEFAULT)).evidence
    assert [(line.outcome, line.line) for line in lines if line.gate == gate] == [(outcome, sentence)]


def test_steps_that_were_asked_for_and_are_not_there_are_counted() -> None:
    found = judge(compare(FOUR, SIX, Judging(steps=5)))
    assert found.reason == "5 steps were asked for, A has 4, B has 6."


def test_a_pass_lists_what_it_did_not_reach() -> None:
    reason = judge(compare(FOUR, FOUR, DEFAULT)).reason
    unreached = "data, ladder, wide, stress, envelope, lockstep, states, later steps, epoch means, accuracy"
    assert reason == f"every gate reached passed; not reached: {unreached}."


def test_a_verdict_gives_the_sentence_of_the_gate_that_decides() -> None:
    found = judge(compare(FOUR, SIX, DEFAULT))
    assert found.reason == next(line.line for line in found.evidence if line.gate == found.gate)
