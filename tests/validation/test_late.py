"""A slice of the late faults and of the whole right runs; what the campaign counts and prints."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.run.inprocess import Phase2
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.trace.evaluations import evaluate
from harness.trace.parts import format_parts
from harness.validation.late.campaign import LATE, LATE_TARGETS, WHOLE, finding_of
from harness.validation.late.evidence import IN_LOCKSTEP, LATE_DETECTORS, PARTS
from harness.validation.late.examination import WHOLE_PAIRS, LateFinding, examine_late, examine_whole
from harness.validation.late.faults import ALL, FAULTS, LATE_CASES, TEST
from harness.validation.late.networks import NETWORKS, STEPS_PER_EPOCH
from harness.validation.late.runs import RIGHT as RIGHT_RUN
from harness.validation.late.runs import LateSide
from harness.validation.late.table import late_exit_code, render_late
from harness.validation.power.examination import Detection
from harness.validation.power.journal import Row
from harness.validation.power.pairs import LOSSES_ONLY, VERIFY, WITH_NORMS

# Of the side that leads; so early that the wide steps have it too.
LOST = "lost state: all slots lost at every epoch | cnn | phase2"


def test_a_late_fault_is_found_and_a_right_whole_run_passes() -> None:
    """One test, since what it compiles serves all of it."""
    found = examine_late(next(case for case in LATE_CASES if case.name == LOST))
    assert found.detections[VERIFY].gates[:3] == ("wide", "lockstep", "states")
    assert found.detections[IN_LOCKSTEP].gates[0] == "lockstep"
    assert not found.silent
    pair = next(pair for pair in WHOLE_PAIRS if pair.name == "batches summed backwards | cnn | 1")
    statuses = {name: one.status for name, one in examine_whole(pair).detections.items()}
    assert statuses == dict.fromkeys(LATE_DETECTORS, "PASS")


@pytest.mark.parametrize(
    ("name", "apart", "labels_differ"),
    [
        ("tested without statistics", True, False),
        ("labels of the next image tested", False, True),
        ("parameters of the epoch before tested", False, False),  # which states are not asked for
        ("updates times 1.05", False, False),
    ],
)
def test_logits_by_a_state_show_faults_of_the_evaluation_and_no_others(
    name: str, apart: bool, labels_differ: bool
) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    right, wrong = (LateSide(Phase2, "cnn", fault=one).begin("f64").logits() for one in (RIGHT_RUN, fault))
    found = evaluate(1, right, wrong)
    assert found is not None
    assert (found.apart > 1e-9, found.labels_differ > 0) == (apart, labels_differ)


def test_states_are_sampled_as_verify_samples_them() -> None:
    model = Model("mlp", NETWORKS["mlp"].spec, NETWORKS["mlp"].config, NETWORKS["mlp"].graph(), None, None)
    asked = Verification(model=model, out=Path("out"))
    parts = asked.from_states(STEPS_PER_EPOCH * model.config.batch_size)
    assert parts is not None
    assert parts.run.run_steps == format_parts(PARTS)


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
TESTED = next(case.name for case in LATE_CASES if case.fault.kind == TEST and not case.fault.only_counted)
FAINT = next(case.name for case in LATE_CASES if case.network in case.fault.faint_in)
COUNTED = next(case.name for case in LATE_CASES if case.fault.only_counted)
FOUND = row(LATE, FAULT, "FAIL", "FAIL", "FAIL", "INCONCLUSIVE")
RIGHT = row(WHOLE, PAIR, "PASS", "PASS", "PASS", "PASS")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], 3),
        ([row(LATE, FAULT, "PASS", "PASS", "PASS", "PASS", silent=True)], 3),
        ([FOUND, RIGHT], 0),
        ([FOUND, row(LATE, TESTED, "FAIL", "PASS", "FAIL", "FAIL"), RIGHT], 0),
        ([FOUND, row(LATE, TESTED, "PASS", "PASS", "FAIL", "FAIL"), RIGHT], 1),
        ([FOUND, row(LATE, COUNTED, "PASS", "PASS", "FAIL", "FAIL"), RIGHT], 0),
        ([FOUND, row(LATE, FAINT, "FAIL", "PASS", "FAIL", "FAIL"), RIGHT], 0),
        ([FOUND, row(LATE, FAINT, "PASS", "PASS", "FAIL", "FAIL"), RIGHT], 1),
        ([row(LATE, FAULT, "FAIL", "INCONCLUSIVE", "FAIL", "FAIL"), RIGHT], 1),
        ([row(LATE, FAULT, "INCONCLUSIVE", "FAIL", "FAIL", "FAIL"), RIGHT], 1),
        ([FOUND, row(LATE, OTHER, "FAIL", "FAIL", "FAIL", "PASS"), RIGHT], 1),
        ([FOUND, row(WHOLE, PAIR, "PASS", "PASS", "FAIL", "PASS")], 1),
        ([FOUND, row(WHOLE, PAIR, "FAIL", "PASS", "PASS", "PASS")], 1),
        ([FOUND, row(WHOLE, PAIR, "PASS", "PASS", "PASS", "INCONCLUSIVE")], 0),
        ([FOUND, Row(WHOLE, PAIR, None, "killed", 1.0)], 1),
        ([Row(LATE, FAULT, None, "killed", 1.0), RIGHT], 1),
    ],
)
def test_the_exit_code_says_whether_it_is_as_powerful_as_it_has_to_be(rows: list[Row], code: int) -> None:
    assert late_exit_code(rows) == code


def test_the_table_counts_what_failed_of_what_did_not_pass() -> None:
    rows = [FOUND, row(LATE, OTHER, "FAIL", "PASS", "FAIL", "PASS")]
    rows += [row(WHOLE, PAIR, "PASS", "PASS", "PASS", "INCONCLUSIVE")]
    text = str(render_late(rows, "markdown"))
    (line,) = (line for line in text.splitlines() if line.startswith("| all") and " 2 " in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["all", "2", "2 of 2 (100 %)", "1 of 1 (50 %)", "2 of 2 (100 %)", "0 of 1 (50 %)"]
    assert f"- {OTHER}: PASS of {IN_LOCKSTEP}: why" in text
    assert f"{OTHER}: FAIL of" not in text
    assert f"- {PAIR}: INCONCLUSIVE of {LOSSES_ONLY}: why" in text
    assert f"{PAIR}: INCONCLUSIVE of {WITH_NORMS}" not in text
    document = json.loads(str(render_late(rows, "json")))
    assert (document["late_version"], document["exit_code"], len(document["rows"])) == (2, 1, 3)


@pytest.mark.parametrize("finding", [5, {}, {"detections": {}}])
def test_what_is_no_finding_is_none(finding: object) -> None:
    assert finding_of(Row(LATE, FAULT, finding, "", 1.0)) is None
    assert finding_of(FOUND) is not None
