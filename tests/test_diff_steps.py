"""Traces that do not have all steps: what both have is compared, the rest is said, and nothing passes for it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.diff import main
from tests.support.sample_traces import HEADER

LOSSES = [2.4 / (1 + 0.1 * k) for k in range(200)]
EVERY, TENTH = range(1, 201), [1, *range(10, 201, 10)]


def trace(path: Path, steps: Sequence[int], factor: float = 1.0, *, per_epoch: int = 468, first_epoch: int = 0) -> Path:
    rows = [
        {
            "kind": "step",
            "step": step,
            "epoch": first_epoch + (step - 1) // per_epoch,
            "loss": LOSSES[step - 1] * (factor if step > 8 else 1.0),
            "lr": 0.001,
        }
        for step in steps
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in (HEADER, *rows)))
    return path


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def judged(a: Path, b: Path, *options: str) -> dict:
    return json.loads(diff(a, b, "--format", "json", *options).stdout)["pairs"][0]


@pytest.mark.parametrize(
    ("a", "b", "compared", "planned", "judged_steps"),
    [(TENTH, TENTH, 21, 200, 1), (EVERY, TENTH, 21, 200, 1), (TENTH, range(1, 201, 3), 8, 200, 1)],
)
def test_common_steps_are_compared_and_the_coverage_is_theirs(tmp_path, a, b, compared, planned, judged_steps):
    pair = judged(trace(tmp_path / "a.jsonl", a), trace(tmp_path / "b.jsonl", b))
    assert pair["numbers"]["compared"] == compared
    assert pair["verdict"]["status"] == "PASS"
    assert pair["verdict"]["coverage"] == {"judged": judged_steps, "planned": planned, "by": "rounding"}
    assert "epoch means" in pair["verdict"]["unreached"]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([*range(1, 100), *range(101, 201)], "B has neither every step from the first on nor every so many-th"),
        (range(2, 201), "B has neither every step from the first on nor every so many-th"),
        (range(101, 201), "B has neither every step from the first on nor every so many-th"),
        (range(1, 191, 10), "A has 200 steps, B has 181; compare prefixes with --steps"),
    ],
)
def test_missing_steps_are_no_pass(tmp_path, steps, why):
    pair = judged(trace(tmp_path / "a.jsonl", EVERY), trace(tmp_path / "b.jsonl", steps))
    assert (pair["verdict"]["status"], pair["verdict"]["gate"]) == ("INCONCLUSIVE", "complete")
    assert pair["verdict"]["reason"].startswith(why)


def test_steps_that_nothing_judges_by_themselves_are_no_pass(tmp_path):
    tenth = range(10, 201, 10)
    a, b = trace(tmp_path / "a.jsonl", tenth), trace(tmp_path / "b.jsonl", tenth)
    assert judged(a, b)["verdict"]["reason"].startswith("the first step that can be compared is step 10")
    assert judged(a, b, "--window=100")["verdict"]["status"] == "PASS"
    assert judged(a, b, "--window=100")["verdict"]["coverage"]["judged"] == 0


def test_sides_without_a_common_step_are_no_pass(tmp_path):
    a, b = trace(tmp_path / "a.jsonl", range(1, 201, 2)), trace(tmp_path / "b.jsonl", range(2, 201, 2))
    found = judged(a, b)
    assert found["verdict"]["reason"] == (
        "no loss of the two sides is of the same steps: A has steps 1, 3, 5 … 199, B has steps 2, 4, 6 … 200."
    )
    assert found["verdict"]["coverage"] is None


@pytest.mark.parametrize(("a", "b"), [(TENTH, TENTH), (EVERY, TENTH), (TENTH, EVERY)])
@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_single_steps_that_no_rounding_brings_so_far_apart_fail(tmp_path, a, b, factor):
    pair = judged(trace(tmp_path / "a.jsonl", a), trace(tmp_path / "b.jsonl", b, factor))
    verdict = pair["verdict"]
    assert (verdict["status"], verdict["gate"], verdict["place"]) == ("FAIL", "later steps", "step 10")
    assert "differ by a factor of " in verdict["reason"]


def test_single_steps_further_apart_than_right_ones_were_are_no_pass(tmp_path):
    few = TENTH[:7]
    pair = judged(trace(tmp_path / "a.jsonl", few), trace(tmp_path / "b.jsonl", few, 1.8))
    assert (pair["verdict"]["status"], pair["verdict"]["gate"]) == ("INCONCLUSIVE", "later steps")


def test_many_single_steps_apart_in_one_direction_fail(tmp_path):
    found = judged(trace(tmp_path / "a.jsonl", TENTH), trace(tmp_path / "b.jsonl", TENTH, 1.8))
    assert (found["verdict"]["status"], found["verdict"]["place"]) == ("FAIL", "steps 10 to 200")
    assert (
        "the losses of steps 10 to 200 differ by a factor of 1.8 in the median, 1.21 allowed"
        in found["verdict"]["reason"]
    )


def test_all_steps_of_a_trace_with_gaps_are_judged_when_asked(tmp_path):
    a, b = trace(tmp_path / "a.jsonl", EVERY), trace(tmp_path / "b.jsonl", TENTH, 1.2)
    assert diff(a, b).exit_code == 0
    found = judged(a, b, "--all-steps")
    assert (found["verdict"]["gate"], found["verdict"]["place"]) == ("window", "step 10")
    assert found["numbers"]["first_beyond"] == 10
    assert found["numbers"]["smallest"]["worst"]["step"] in TENTH
    assert judged(a, b, "--mode=bitwise")["verdict"]["place"] == "step 10"
    assert judged(trace(tmp_path / "c.jsonl", TENTH), a, "--mode=bitwise")["verdict"]["status"] == "PASS"


def test_a_prefix_of_a_trace_with_gaps(tmp_path):
    a, b = trace(tmp_path / "a.jsonl", range(1, 60)), trace(tmp_path / "b.jsonl", TENTH)
    assert diff(a, b).exit_code == 3
    found = judged(a, b, "--steps=50")
    assert (found["verdict"]["status"], found["numbers"]["compared"]) == ("PASS", 6)
    assert diff(a, b, "--steps=60").exit_code == 3


def test_epochs_from_1_are_those_from_0(tmp_path):
    a = trace(tmp_path / "a.jsonl", TENTH, per_epoch=40)
    b = trace(tmp_path / "b.jsonl", TENTH, per_epoch=40, first_epoch=1)
    assert diff(a, b).exit_code == 0
    assert "its epochs count from 1" in judged(a, b)["b"]["notes"]
    other = trace(tmp_path / "c.jsonl", TENTH, per_epoch=50, first_epoch=1)
    assert judged(a, other)["verdict"]["place"] == "step 50"


def test_what_is_not_finite_is_named_by_its_step(tmp_path):
    a, b = trace(tmp_path / "a.jsonl", EVERY), trace(tmp_path / "b.jsonl", TENTH)
    b.write_text(b.read_text().replace(f'"loss": {LOSSES[49]}', '"loss": NaN'))
    verdict = judged(a, b)["verdict"]
    assert (verdict["gate"], verdict["place"]) == ("finite", "step 50")
    assert verdict["reason"] == "not finite: B at step 50 (loss nan, lr 0.001)."


def test_people_see_the_first_common_steps(tmp_path):
    printed = diff(trace(tmp_path / "a.jsonl", EVERY), trace(tmp_path / "b.jsonl", TENTH)).stdout
    rows = [line.split()[:2] for line in printed.splitlines() if line.startswith("step ")]
    assert rows == [["step", "1"], ["step", "10"], ["step", "20"]]
    assert "step by step for the first 1 of 21 compared steps" in printed
    assert "b.jsonl (phase3, 21 steps, every 10th step)" in printed
