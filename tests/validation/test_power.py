"""A slice of the power measurement, which fails when the verdict sees less; its journal, counts and table."""

import json
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import harness
from harness.errors import HarnessError
from harness.run.code_version import code_version
from harness.validation.power import journal
from harness.validation.power.campaign import TARGETS, Campaign, Target
from harness.validation.power.clean import PAIRS, CleanFinding, examine_pair
from harness.validation.power.examination import Detection, PowerFinding, examine
from harness.validation.power.fault import FaultClass
from harness.validation.power.faults import CASES, FAULTS, Case
from harness.validation.power.journal import Journal, Row
from harness.validation.power.localization import CHOSEN, Localization, place
from harness.validation.power.pairs import DETECTORS, LOSSES_ONLY, OTHER_MODES, VERIFY, WITH_NORMS
from harness.validation.power.table import exit_code, render
from harness.validation.power.tally import Rate

# Of every family of faults and of every class at least one.
SLICE = (
    "gradient times 8 | mlp | phase2",
    "update of a weight turned around | mlp | phase3",
    "rate times 1.001 | mlp | phase3",
    "an image without its label | mlp | phase2",
    "pixels around zero | mlp | phase3",
    "last batch dropped | mlp | phase3",
    "two rows of a gradient swapped | mlp | phase2",
    "ReLU derivative at zero | mlp | phase2",
    "dense weight transposed | mlp | phase2",
    "TF32 products everywhere | mlp | phase2",
    "variance over n - 1 | cnn | phase2",
    "running variance over n - 1 | cnn | phase2",
    "scale of dropout in the test | colour | phase3",
)


def test_a_slice_of_the_faults_is_found_and_no_clean_pair_is_failed() -> None:
    """One test, since what it compiles serves all of it."""
    cases = {case.name: case for case in CASES}
    found = {name: examine(cases[name]) for name in SLICE}
    assert {FAULTS[cases[name].fault].called for name in SLICE} == set(get_args(FaultClass))
    assert not [name for name, finding in found.items() if finding.silent]
    verified = {name: finding.detections[VERIFY] for name, finding in found.items()}
    assert {name: (one.status, one.fault) for name, one in verified.items()} == {
        name: ("FAIL", FAULTS[cases[name].fault].called) for name in SLICE
    }
    missed = [name for name, finding in found.items() if finding.detections[WITH_NORMS].status != "FAIL"]
    assert len(missed) <= 0.15 * len(SLICE), missed

    here = ("other seeds", "batches summed backwards", "double scalars", "other compiler")
    pairs = [pair for pair in PAIRS if pair.network == "mlp" and pair.seed < 2 and pair.variation in here]
    assert len(pairs) == 8
    for pair in pairs:
        statuses = {name: one.status for name, one in examine_pair(pair).detections.items()}
        assert statuses == dict.fromkeys(DETECTORS, "PASS"), pair.name


def test_injected_faults_are_placed() -> None:
    for name in ("dense weight transposed | mlp | phase2", "weight gradient times 1.0035 | mlp | phase3"):
        found = place(next(case for case in CHOSEN if case.name == name))
        assert (found.called_right, found.layer_right, found.side_right) == (True, True, True), found.evidence


def test_there_are_enough_clean_pairs() -> None:
    assert len(PAIRS) >= 1000
    assert len({(t.kind, t.name) for t in TARGETS}) == len(TARGETS) == len(CASES) + len(PAIRS) + len(CHOSEN)


WORKER = """
import json, os, sys
from pathlib import Path
from harness.validation.power.journal import Journal, Row
from harness.validation.power.localization import CHOSEN, Localization, place
order = json.loads(sys.argv[1])
for name in order["names"]:
    if name == "dies": os.kill(os.getpid(), 11)
    Journal(Path(order["journal"])).write(Row(order["kind"], name, None, "", 0.5))
print("answer: 1")
"""


def test_what_kills_a_process_is_a_row_and_its_others_are_done(tmp_path: Path) -> None:
    targets = [Target("clean", name, "batch") for name in ("a", "dies", "b")]
    campaign = Campaign(targets, tmp_path, (sys.executable, "-c", WORKER))
    told: list[int] = []
    campaign.run(2, 60.0, lambda done, running: told.append(done))
    assert [(row.name, row.trouble) for row in campaign.rows] == [
        ("a", ""),
        ("dies", "killed by SIGSEGV: it said nothing"),
        ("b", ""),
    ]
    assert campaign.missing == []
    assert told[-1] == 3


def test_rows_of_this_code_are_kept_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Journal(tmp_path / "journal.jsonl")
    row = Row("clean", "a", None, "", 1.0)
    kept.write(row)
    with kept.path.open("a") as file:
        file.write('{"key": "cut o')
    assert kept.rows() == {("clean", "a"): row}
    campaign = Campaign([Target("clean", "a", "x"), Target("clean", "b", "x")], tmp_path)
    assert [target.name for target in campaign.missing] == ["b"]
    monkeypatch.setattr(journal, "code_version", lambda: "another")
    assert len(campaign.missing) == 2
    campaign.start_anew()
    assert not kept.path.exists()


@pytest.mark.parametrize("kind", ["mutants", "clean", "localization"])
@pytest.mark.parametrize("finding", [5, {}, [], {"verify": 5}, {"detections": {}, "statuses": {}}])
def test_a_finding_that_is_none_is_examined_again(kind: str, finding: object, tmp_path: Path) -> None:
    campaign = Campaign([Target(kind, "a", "x")], tmp_path)
    Journal(tmp_path / "journal.jsonl").write(Row(kind, "a", finding, "", 1.0))
    assert (campaign.rows, len(campaign.missing)) == ([], 1)


def test_envelopes_their_margin_and_bounds_are_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "__file__", str(tmp_path / "__init__.py"))
    seen = {code_version.__wrapped__()}
    for name in ("envelope/margin.json", "envelope/shipped/a.json", "rounding/bounds.json"):
        path = tmp_path / "verdict" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        seen.add(code_version.__wrapped__())
    assert len(seen) == 4


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="file/out: cannot be written: Not a directory"):
        Campaign([], tmp_path / "file" / "out").prepare()


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    assert Rate(0, 600).interval == (0.0, pytest.approx(1 - 0.025 ** (1 / 600)))
    assert Rate(0, 0).interval == (0.0, 1.0)


BLIND = Detection("PASS", (), None, "every gate passed.")
MATHEMATICS = [case for case in CASES if FAULTS[case.fault].called != "numerics"]
NUMERICS = [case for case in CASES if FAULTS[case.fault].called == "numerics"]


def mutant(case: Case, status: str, with_norms: str = "FAIL", update_error: float = 0.0) -> Row:
    gates, fault = (("ladder",), FAULTS[case.fault].called) if status == "FAIL" else ((), None)
    seen = {
        VERIFY: Detection(status, gates, fault, "for a reason."),
        WITH_NORMS: Detection(with_norms, ("rounding",) if with_norms == "FAIL" else (), None, "for another."),
        LOSSES_ONLY: BLIND,
    }
    finding = PowerFinding(seen, update_error, silent=status == "SILENT")
    return Row("mutants", case.name, msgspec.to_builtins(finding), "", 1.0)


def clean_row(detections: dict[str, Detection], statuses: dict[str, str]) -> Row:
    """The first clean pair, with these statuses in every other mode."""
    finding = CleanFinding(detections, {mode.name: statuses for mode in OTHER_MODES})
    return Row("clean", PAIRS[0].name, msgspec.to_builtins(finding), "", 1.0)


PASSED = clean_row(dict.fromkeys(DETECTORS, BLIND), dict.fromkeys(DETECTORS, "PASS"))


def rows(*statuses: str, update_error: float = 0.0) -> list[Row]:
    """A mutant a status of `verify`, and one clean pair that passes."""
    pairs = zip(MATHEMATICS, statuses, strict=False)
    return [*(mutant(case, status, update_error=update_error) for case, status in pairs), PASSED]


def test_the_table_tells_what_was_found_and_what_survived() -> None:
    found = rows("FAIL", "PASS", "SILENT")
    text, document = str(render(found, "text")), json.loads(render(found, "json"))
    assert "50.0 % (1.3-98.7)" in text
    assert f"{MATHEMATICS[1].name}: survived: its first update is off by 0.0e+00; for a reason." in text.splitlines()
    assert f"{MATHEMATICS[2].name}: changes nothing: in these steps every number is the same, bit for bit." in text
    assert document["detected"][VERIFY] == {"hits": 1, "total": 2, "interval": pytest.approx([0.0126, 0.987], 1e-2)}
    assert {name: one["hits"] for name, one in document["detected"].items()} == dict(
        zip(DETECTORS, (1, 2, 0), strict=True)
    )
    assert document["false_positives"][WITH_NORMS]["hits"] == 0
    assert "### Clean pairs" in str(render(found, "markdown"))


def test_right_pairs_that_fail_in_another_mode_are_told_and_do_not_count() -> None:
    strict = clean_row(dict.fromkeys(DETECTORS, BLIND), {**dict.fromkeys(DETECTORS, "PASS"), LOSSES_ONLY: "FAIL"})
    found = [*rows("FAIL")[:-1], strict]
    document = json.loads(render(found, "json"))
    assert document["false_positives_in"]["strict"][LOSSES_ONLY]["hits"] == 1
    assert document["false_positives_in"]["strict"][VERIFY]["hits"] == 0
    assert exit_code(found) == 0


def test_the_table_tells_what_was_misplaced() -> None:
    one, other = CHOSEN[:2]
    right = Localization("forward", "loss", "forward", one.side, "", True, True, True)
    wrong = Localization("forward", "dense1", "forward", other.side, "", True, False, True)
    found = [Row("localization", c.name, msgspec.to_builtins(p), "", 1.0) for c, p in ((one, right), (other, wrong))]
    assert (
        f"{other.name}: placed with the wrong layer: forward dense1 {other.side}."
        in str(render(found, "text")).splitlines()
    )
    assert json.loads(render(found, "json"))["localized"]["layer"]["hits"] == 1
    assert exit_code(found[:1]) == 0
    assert exit_code(found) == 1


def test_exit_codes() -> None:
    assert exit_code([]) == 3
    assert exit_code(rows("FAIL")) == 0
    assert exit_code(rows("PASS")) == 1
    sixty = rows(*["FAIL"] * 59, "PASS")
    assert exit_code(sixty) == 0  # 98.3 %
    assert exit_code(rows(*["FAIL"] * 59, "PASS", update_error=1e-3)) == 1
    assert exit_code(rows(*["FAIL"] * 48, "PASS")) == 1  # 97.96 %
    assert exit_code(rows("SILENT")) == 1  # nothing says why: it may not be injected at all
    assert exit_code(rows("SILENT")[:1]) == 3
    assert "is it injected at all?" in str(render(rows("SILENT"), "text"))
    killed = Row("clean", PAIRS[0].name, None, "killed by SIGSEGV: it said nothing", 1.0)
    assert exit_code([*rows("FAIL"), killed]) == 1
    for detector in DETECTORS:
        failed = {**dict.fromkeys(DETECTORS, BLIND), detector: Detection("FAIL", ("rounding",), None, "too far.")}
        assert exit_code([*rows("FAIL")[:-1], clean_row(failed, dict.fromkeys(DETECTORS, "PASS"))]) == 1


@pytest.mark.parametrize(("missed", "code"), [(1, 0), (2, 1)])  # of 14: 93 and 86 %
def test_nine_in_ten_faults_of_rounding_have_to_be_found(missed: int, code: int) -> None:
    others = [mutant(case, "FAIL") for case in MATHEMATICS[:200]]
    found = [mutant(case, "PASS" if at < missed else "FAIL") for at, case in enumerate(NUMERICS[:14])]
    assert exit_code([*others, *found]) == code


@pytest.mark.parametrize(("missed", "code"), [(3, 0), (4, 1)])  # of 20
def test_norms_alone_have_to_show_85_of_a_hundred_faults(missed: int, code: int) -> None:
    found = [mutant(case, "FAIL", "PASS" if at < missed else "FAIL") for at, case in enumerate(MATHEMATICS[:20])]
    assert exit_code(found) == code
