"""A slice of the late faults and of the whole right runs; what the campaign counts and prints."""

import json

import msgspec
import pytest

from harness.validation.late.campaign import LATE, LATE_TARGETS, WHOLE, finding_of
from harness.validation.late.examination import (
    IN_LOCKSTEP,
    LATE_DETECTORS,
    WHOLE_PAIRS,
    LateFinding,
    examine_late,
    examine_whole,
)
from harness.validation.late.faults import ALL, FAULTS, LATE_CASES, TEST
from harness.validation.late.networks import NETWORKS
from harness.validation.late.table import late_exit_code, render_late
from harness.validation.power.examination import Detection
from harness.validation.power.journal import Row
from harness.validation.power.pairs import LOSSES_ONLY, WITH_NORMS

# At one step, from a step on, at the ends of epochs, and at every step of most segments.
SLICE = (
    "update: one step lost | cnn | phase2",
    "data: images a row lower | cnn | phase3",
    "lost state: all slots lost at every epoch | cnn | phase2",
    "running statistics: statistics kept back once | cnn | phase3",
    "below a loss: updates times 0.9 | cnn | phase3",
)
RIGHT_SLICE = ("other seeds", "one ulp away")


def test_a_slice_is_found_in_lockstep_and_right_whole_runs_pass() -> None:
    """One test, since what it compiles serves all of it."""
    cases = {case.name: case for case in LATE_CASES}
    found = {name: examine_late(cases[name]) for name in SLICE}
    assert {name: one.detections[IN_LOCKSTEP].status for name, one in found.items()} == dict.fromkeys(SLICE, "FAIL")
    assert not any(one.silent for one in found.values())
    passed = [name for name, one in found.items() if one.detections[LOSSES_ONLY].status == "PASS"]
    assert passed == [name for name in SLICE if "statistics" in name], "which no loss of a training sees"
    lost = found["update: one step lost | cnn | phase2"].detections[LOSSES_ONLY]
    assert "at step 131 the losses are" in lost.reason
    for pair in (p for p in WHOLE_PAIRS if p.network == "cnn" and p.seed == 1 and p.variation in RIGHT_SLICE):
        statuses = {name: one.status for name, one in examine_whole(pair).detections.items()}
        assert statuses == dict.fromkeys(LATE_DETECTORS, "PASS"), pair.name


def test_there_are_enough_faults_and_whole_runs() -> None:
    assert len(FAULTS) >= 24
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({fault.kind for fault in FAULTS}) >= 8
    assert {case.network for case in LATE_CASES} == set(NETWORKS)
    for fault in FAULTS:
        sides = {case.side for case in LATE_CASES if case.fault is fault}
        assert len(sides) == 2 or len(fault.networks) < 2 or ALL[::2] == fault.networks
    assert len(WHOLE_PAIRS) >= 60
    assert len({(target.kind, target.name) for target in LATE_TARGETS}) == len(LATE_CASES) + len(WHOLE_PAIRS)


def row(kind: str, name: str, *statuses: str, silent: bool = False) -> Row:
    verdicts = zip(LATE_DETECTORS, statuses, strict=True)
    found = LateFinding({name: Detection(status, (), None, "why") for name, status in verdicts}, silent)
    return Row(kind, name, msgspec.to_builtins(found), "", 1.0)


FAULT, OTHER, PAIR = LATE_CASES[0].name, LATE_CASES[1].name, WHOLE_PAIRS[0].name
TESTED = next(case.name for case in LATE_CASES if case.fault.kind == TEST)
FAINT = next(case.name for case in LATE_CASES if case.network in case.fault.faint_in)
FOUND, RIGHT = row(LATE, FAULT, "FAIL", "FAIL", "INCONCLUSIVE"), row(WHOLE, PAIR, "PASS", "PASS", "PASS")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], 3),
        ([row(LATE, FAULT, "PASS", "PASS", "PASS", silent=True)], 3),
        ([FOUND, RIGHT], 0),
        ([FOUND, row(LATE, TESTED, "PASS", "FAIL", "FAIL"), RIGHT], 0),
        ([FOUND, row(LATE, FAINT, "PASS", "FAIL", "FAIL"), RIGHT], 0),
        ([row(LATE, FAULT, "INCONCLUSIVE", "FAIL", "FAIL"), RIGHT], 1),
        ([FOUND, row(LATE, OTHER, "FAIL", "FAIL", "PASS"), RIGHT], 1),
        ([FOUND, row(WHOLE, PAIR, "PASS", "FAIL", "PASS")], 1),
        ([FOUND, row(WHOLE, PAIR, "PASS", "PASS", "INCONCLUSIVE")], 0),
        ([FOUND, Row(WHOLE, PAIR, None, "killed", 1.0)], 1),
        ([Row(LATE, FAULT, None, "killed", 1.0), RIGHT], 1),
    ],
)
def test_the_exit_code_says_whether_it_is_as_powerful_as_it_has_to_be(rows: list[Row], code: int) -> None:
    assert late_exit_code(rows) == code


def test_the_table_counts_what_failed_of_what_did_not_pass() -> None:
    rows = [FOUND, row(LATE, OTHER, "PASS", "FAIL", "PASS"), row(WHOLE, PAIR, "PASS", "PASS", "INCONCLUSIVE")]
    text = str(render_late(rows, "markdown"))
    (line,) = (line for line in text.splitlines() if line.startswith("| all") and " 2 " in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["all", "2", "1 of 1 (50 %)", "2 of 2 (100 %)", "0 of 1 (50 %)"]
    assert f"- {OTHER}: PASS in lockstep: why" in text
    assert f"- {PAIR}: INCONCLUSIVE of {LOSSES_ONLY}: why" in text
    assert f"{PAIR}: INCONCLUSIVE of {WITH_NORMS}" not in text
    document = json.loads(str(render_late(rows, "json")))
    assert (document["late_version"], document["exit_code"], len(document["rows"])) == (1, 1, 3)


@pytest.mark.parametrize("finding", [5, {}, {"detections": {}}])
def test_what_is_no_finding_is_none(finding: object) -> None:
    assert finding_of(Row(LATE, FAULT, finding, "", 1.0)) is None
    assert finding_of(FOUND) is not None
