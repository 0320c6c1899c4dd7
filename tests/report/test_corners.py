"""The table of corners, and the published claims: each holds on some traces and is violated by others."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.report.corners import Corners
from harness.report.corners.claims import CLAIMS
from harness.report.corners.evaluate import ClaimFinding, evaluate
from harness.report.corners.table import MOST, CornerRow, most_together
from harness.report.page import render_page
from harness.report.page.matrix import make_matrix
from harness.report.page.panels import make_panels
from harness.report.summary import Summary, as_json, markdown, terminal
from harness.report.summary.build import summarise
from harness.trace.segments import SegmentEnd, Segments
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Evidence, Lockstep
from tests.support.sample_traces import recording
from tests.support.schemas import violation
from tests.support.stored_cells import store
from tests.support.vendors import corner, losses, published_cells

WHOLE = {"config_epochs": 1}  # one epoch of as many steps as these have


def report(root: Path) -> Summary:
    return summarise([root], Judging())


def four(root: Path, make: Callable[[str, str], dict[str, object]], model: str = "mnist_mlp") -> Corners:
    """The corners of two pipelines on two made-up vendors; `make` says what is special about a cell."""
    for pipeline in ("phase2", "phase3"):
        for vendor in ("red", "green"):
            corner(root, pipeline, vendor, model=model, **make(pipeline, vendor))
    (corners,) = report(root).corners
    return corners


def alike(_pipeline: str, _vendor: str) -> dict[str, object]:
    return {"header": WHOLE}


def only(pipeline: str, vendor: str, **changes: object) -> Callable[[str, str], dict[str, object]]:
    """One of the four cells is off."""
    header = WHOLE | dict(changes.pop("header", {}))  # type: ignore[call-overload]
    return lambda p, v: {"header": header, **changes} if (p, v) == (pipeline, vendor) else {"header": WHOLE}


def found(corners: Corners) -> dict[str, ClaimFinding]:
    return {finding.claim.key: finding for finding in corners.claims}


def test_four_corners_have_a_row_for_each_factor(tmp_path: Path) -> None:
    corners = four(tmp_path, only("phase2", "red", off={1: 3}))
    assert [(kind, [row.shown[:2] for row in rows], more) for kind, rows, more in corners.table.kinds] == [
        ("cross-compiler", [["phase2-green vs phase3-green", "0"], ["phase2-red vs phase3-red", "7.15e-07"]], 0),
        ("cross-platform", [["phase2-green vs phase2-red", "7.15e-07"]], 0),
        ("cross-vendor", [["phase3-green vs phase3-red", "0"]], 0),
    ]
    assert {row.shown[-1] for _, rows, _ in corners.table.kinds for row in rows} == {"not run"}


def test_one_host_with_one_backend_has_no_corners(tmp_path: Path) -> None:
    for pipeline in ("phase2", "phase3"):
        corner(tmp_path, pipeline, "red")
    assert report(tmp_path).corners == ()


def test_a_host_without_phase_2_on_its_chip_has_that_of_its_processor(tmp_path: Path) -> None:
    corner(tmp_path / "a", "phase3", "green")
    corner(tmp_path / "b", "phase3", "red")
    corner(tmp_path / "b" / "red", "phase2", "cpu", {1: 1}, host="made-up red")
    summary = report(tmp_path)
    (corners,) = summary.corners
    names = {row.row.name: row.row for row in corners.table.rows}
    assert list(names) == ["phase3-green vs phase3-red", "phase2-cpu vs phase3-red"]
    assert names["phase2-cpu vs phase3-red"].verdict is None
    assert found(corners)["mlp-compilers"].outcome == "holds"
    assert len(summary.rows) == 1


def test_of_many_pairs_the_furthest_apart_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(MOST // 2):
        corner(tmp_path, "phase3", f"v{number}", {1: number})
    (corners,) = report(tmp_path).corners
    ((_, rows, more),) = corners.table.kinds
    pairs = MOST // 2 * (MOST // 2 - 1) // 2
    assert (len(rows), more, len(corners.table.rows)) == (MOST, pairs - MOST, pairs)
    sizes = [row.step_1 for row in rows]
    assert sizes == sorted((row.step_1 for row in corners.table.rows), key=lambda x: -(x or 0))[:MOST]


def test_of_many_pairs_one_that_differs_is_shown(tmp_path: Path) -> None:
    for number in range(MOST):
        corner(tmp_path, "phase3", f"v{number:02d}", {1: number, 3: 4e6 if number == 2 else 0})
    (corners,) = report(tmp_path).corners
    ((_, rows, more),) = corners.table.kinds
    assert (len(rows), more > 0) == (MOST, True)
    differ = [row.row.name for row in rows if row.row.verdict is not None and row.row.verdict.status == "FAIL"]
    assert len(differ) == MOST - 1
    assert all("v02" in name for name in differ)
    assert [row.row.name for row in rows[: MOST - 1]] == differ


def with_gate(name: str, outcome: str) -> Callable[[Corners], tuple[ClaimFinding, ...]]:
    """The findings, had a gate said that of every pair."""

    def changed(corners: Corners) -> tuple[ClaimFinding, ...]:
        rows: list[CornerRow] = []
        for one in corners.table.rows:
            assert one.row.verdict is not None
            line = Evidence(name, outcome, "5 of 5.")  # type: ignore[arg-type]
            others = tuple(evidence for evidence in one.row.verdict.evidence if evidence.gate != name)
            verdict = replace(one.row.verdict, evidence=(*others, line))
            rows.append(replace(one, row=replace(one.row, verdict=verdict)))
        return evaluate(rows)

    return changed


# What violates each claim: the cell that is off, and how.
VIOLATIONS: dict[str, Callable[[str, str], dict[str, object]]] = {
    "mlp-start": only("phase3", "red", header={"init_sha256": 64 * "b"}),
    "mlp-module": only("phase3", "red", header={"emitted_sha256": 64 * "b"}),
    "mlp-vendors": only("phase3", "red", off={2: 6}),
    "mlp-vendors-bits": only("phase3", "red", off={4: 1}),
    "mlp-compilers": only("phase2", "red", off={1: 5}),
    "mlp-platforms": only("phase2", "red", off={1: 2}),
    "mlp-accuracy": only("phase2", "red", accuracy=0.983),
    "cnn-vendors": only("phase3", "red", off={2: 9}),
    "cnn-compilers": only("phase2", "red", off={1: 500}),
    "cnn-median": only("phase2", "red", off=dict.fromkeys(range(1, 13), 20000.0)),
    "cnn-accuracy": only("phase2", "red", accuracy=0.993),
}
BY_GATES = {"mlp-compilers-rounding": "ladder", "mlp-chaos": "lockstep", "cnn-rounding": "ladder"}
BY_GATES |= {"cnn-trajectory": "epoch means"}
MODELS = {"mlp": "mnist_mlp", "cnn": "mnist_cnn"}


def test_every_claim_has_something_that_violates_it() -> None:
    assert {claim.key for claim in CLAIMS} == {*VIOLATIONS, *BY_GATES}
    assert len({claim.key for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize("key", VIOLATIONS)
def test_a_claim_holds_on_like_runs_and_not_where_one_is_off(key: str, tmp_path: Path) -> None:
    model = MODELS[key[:3]]

    def well(pipeline: str, vendor: str) -> dict[str, object]:
        return alike(pipeline, vendor) | {"accuracy": 0.995}

    assert found(four(tmp_path / "well", well, model))[key].outcome == "holds"
    finding = found(four(tmp_path / "off", VIOLATIONS[key], model))[key]
    assert finding.outcome == "does not hold"
    assert "red" in finding.pair
    assert finding.sentence.startswith(f"{finding.claim.says[:-1]}: does not hold ({finding.pair}: ")


@pytest.mark.parametrize("key", BY_GATES)
def test_a_claim_about_causes_is_what_its_gate_says(key: str, tmp_path: Path) -> None:
    corners = four(tmp_path, alike, MODELS[key[:3]])
    said = {"pass": "holds", "fail": "does not hold", "inconclusive": "not measured", "unreached": "not measured"}
    for outcome, expected in said.items():
        findings = {one.claim.key: one for one in with_gate(BY_GATES[key], outcome)(corners)}
        assert findings[key].outcome == expected


@pytest.mark.parametrize("key", ["mlp-compilers-rounding", "cnn-rounding"])
def test_what_rounds_otherwise_refutes_a_claim_of_rounding_alone(key: str, tmp_path: Path) -> None:
    corners = four(tmp_path, alike, MODELS[key[:3]])
    said = {"fail": "does not hold", "pass": "not measured"}  # what passes says nothing of the mathematics
    for outcome, expected in said.items():
        findings = {one.claim.key: one for one in with_gate("rounding", outcome)(corners)}
        assert findings[key].outcome == expected


def test_a_claim_of_whole_runs_is_not_measured_on_short_ones(tmp_path: Path) -> None:
    claims = found(four(tmp_path, lambda _p, _v: {}, "mnist_cnn"))
    for key in ("cnn-median", "cnn-accuracy"):
        assert (claims[key].outcome, claims[key].line) == (
            "not measured",
            "12 steps were compared, not the whole run",
        )


def test_losses_that_are_no_numbers_hold_no_claim(tmp_path: Path) -> None:
    claims = found(four(tmp_path, only("phase3", "red", off={1: float("nan")})))
    for key in ("mlp-vendors", "mlp-vendors-bits", "mlp-compilers"):
        assert claims[key].outcome == "does not hold"


def test_one_pair_that_violates_a_claim_outweighs_those_that_do_not(tmp_path: Path) -> None:
    finding = found(four(tmp_path, only("phase2", "red", off={1: 5})))["mlp-compilers"]
    assert (finding.outcome, finding.measured, finding.asked) == ("does not hold", 2, 2)
    assert finding.pair == "phase2-red vs phase3-red"


def test_unlike_runs_tell_nothing_but_that_they_are_unlike(tmp_path: Path) -> None:
    claims = found(four(tmp_path, only("phase3", "red", header={"init_sha256": 64 * "b"})))
    assert claims["mlp-start"].outcome == "does not hold"
    assert (claims["mlp-vendors"].outcome, claims["mlp-vendors"].line) == (
        "not measured",
        "the runs are unlike: init_sha256",
    )


def test_two_hosts_of_one_backend_say_nothing_about_vendors(tmp_path: Path) -> None:
    for host in ("a", "b"):
        for pipeline in ("phase2", "phase3"):
            corner(tmp_path / host, pipeline, "red", {4: 3} if host == "b" else None, host=host)
    (corners,) = report(tmp_path).corners
    claims = found(corners)
    assert claims["mlp-start"].outcome == claims["mlp-compilers"].outcome == "holds"
    assert claims["mlp-vendors-bits"].line == "there is no cross-vendor pair of two backends"
    assert claims["mlp-platforms"].line == "there is no cross-platform pair of two backends"


def test_in_lockstep_the_steps_before_the_first_setting_do_not_count(tmp_path: Path) -> None:
    corners = four(tmp_path, alike)
    (row,) = [one.row for one in corners.table.rows if one.row.name == "phase2-red vs phase3-red"]
    off = recording([loss + (0.25 if k < 4 else 0.0) + (0.5 if k == 6 else 0.0) for k, loss in enumerate(losses())])
    assert row.comparison is not None
    together = compare(recording(losses()), off)
    segments = Segments(leader="phase2", planned=2, tensors=["w"], ends=[SegmentEnd(1, 5, []), SegmentEnd(5, 9, [])])
    assert most_together(row) is None
    assert most_together(replace(row, lockstep=Lockstep(together, segments))) == pytest.approx(0.5, abs=1e-6)
    short = msgspec.structs.replace(segments, ends=[SegmentEnd(1, 13, [])])
    assert most_together(replace(row, lockstep=Lockstep(together, short))) is None


def test_a_backend_that_is_on_no_host_is_told_once(tmp_path: Path) -> None:
    absent = {"status": "refused", "reason": "no blue device", "absent": True, "asked": False}
    for host in ("a", "b", "c"):
        for pipeline in ("phase2", "phase3"):
            store(tmp_path / host, pipeline, backend="cpu", model="mnist_mlp", host=host)
            store(tmp_path / host, pipeline, (), backend="blue", model="mnist_mlp", host=host, **absent)
    summary = report(tmp_path)
    matrix = make_matrix(summary, make_panels(summary.rows, [None] * len(summary.rows)), range(len(summary.rows)))
    (columns,) = matrix.rows.values()
    assert matrix.columns.count(("phase2-blue", "phase3-blue")) == 1
    assert {len(fields) for fields in columns} == {1}


@pytest.mark.parametrize("change", [{"model": "vit_tiny"}, {"header": {"config_batch_size": 2}}])
def test_the_page_claims_nothing_about_other_runs(change: dict[str, object], tmp_path: Path) -> None:
    header = {"netspec_name": "Other"} if "model" in change else {}
    for vendor in ("red", "green"):
        corner(tmp_path, "phase3", vendor, **({"header": header} | change))  # type: ignore[arg-type]
    (corners,) = report(tmp_path).corners
    assert corners.claims == ()


def test_the_published_traces_give_the_row_of_the_published_table(tmp_path: Path) -> None:
    published_cells(tmp_path)
    (corners,) = report(tmp_path).corners
    (row,) = corners.table.rows
    assert row.shown == ["phase3-cuda vs phase3-rocm", "0", "0", "1.51e-03", "7.79e-02", "not run"]
    claims = found(corners)
    assert claims["mlp-vendors"].outcome == "holds"
    # Printed to six decimals: whether the losses are equal in every bit is not known.
    assert claims["mlp-vendors-bits"].outcome == "not measured"
    assert {one.outcome for key, one in claims.items() if key != "mlp-vendors"} == {"not measured"}


def test_every_form_has_the_table_and_the_claims(tmp_path: Path) -> None:
    corners = four(tmp_path, only("phase2", "red", off={1: 5}))
    summary = report(tmp_path)
    page, text = render_page(summary), markdown.render(summary)
    document = json.loads(as_json.render(summary))
    assert violation(document, "verdict") is None
    (described,) = document["corners"]
    assert [pair["name"] for pair in described["pairs"]] == [row.row.name for row in corners.table.rows]
    assert [claim["outcome"] for claim in described["claims"]] == [one.outcome for one in corners.claims]
    failed = found(corners)["mlp-compilers"]
    assert failed.sentence in str(terminal.render(summary))
    for form in (page, text):
        assert form.count("does not hold") >= 1
        for finding in corners.claims:
            assert finding.claim.says.split(",")[0] in form
    assert summary.exit_code == 0  # what others have claimed decides nothing about these runs
