"""One report over everything: words, forms, history, hosts."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from harness import cli
from harness.errors import HarnessError
from harness.night.checks import NightCheck, write_check
from harness.night.folder import NightFolder, begin
from harness.report.page import render_page
from harness.report.summary import Event, Summary, as_json, junit, markdown
from harness.report.summary.build import summarise
from harness.report.summary.history import HistoryRow, append_history, read_history
from harness.report.summary.write import write_summary
from harness.trace.planned import write_planned
from harness.verdict.compare import Judging
from tests.support.nights import CHECK, NOON
from tests.support.schemas import violation
from tests.support.stored_cells import store

HOSTILE = "<script>alert(1)</script>](x)|`'\"&\x1b[31m\n\u202e"


def summary(folder: Path, **keys: Any) -> Summary:
    return dataclasses.replace(summarise([folder], Judging()), **keys)


def statuses(found: Summary) -> list[str]:
    """Of every pair that has a verdict."""
    return [row.verdict.status for row in found.judged if row.verdict]


def agreeing(folder: Path, model: str, **keys: Any) -> None:
    for pipeline in ("phase2", "phase3"):
        store(folder, pipeline, model=model, **keys)


def test_the_headline_says_it_in_words(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    agreeing(tmp_path, "b")
    assert summary(tmp_path).headline == "2 pairs agree"
    assert summary(tmp_path).exit_code == 0
    store(tmp_path, "phase2", model="c")
    store(tmp_path, "phase3", [3.0, 1.5, 1.25], model="c")
    assert summary(tmp_path).headline == "2 pairs agree; 1 differs: c phase2-cpu vs phase3-cpu, forward, step 1"
    assert summary(tmp_path).exit_code == 1
    store(tmp_path, "phase2", model="d")
    store(tmp_path, "phase3", model="d", status="crashed", reason="killed by SIGSEGV")
    words = summary(tmp_path).headline
    assert words.endswith("1 inconclusive: d phase2-cpu vs phase3-cpu, phase3-cpu: crashed: killed by SIGSEGV")


def test_the_headline_tells_of_checks_problems_and_events(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    of = {
        status: NightCheck(name=status.lower(), command="c", status=status, exit_code=code, line="l")
        for status, code in STATUSES.items()
    }
    assert summary(tmp_path, checks=(of["PASS"],)).headline == "1 pair agrees"
    assert summary(tmp_path, checks=(of["FAIL"],)).headline == "1 pair agrees, 1 check failed: fail"
    late = summary(tmp_path, checks=(of["NOT RUN"], of["NOT RUN"]))
    assert (late.headline, late.exit_code) == ("1 pair agrees, 2 checks not run: not run, not run", 3)
    broken = summary(tmp_path, problems=("x: unreadable",))
    assert (broken.headline, broken.exit_code) == ("1 pair agrees, 1 problem", 3)
    moved = summary(tmp_path, events=(Event("environment", "fail", "jaxlib 1 → 2"),))
    assert (moved.headline, moved.exit_code) == ("1 pair agrees, environment: jaxlib 1 → 2", 1)
    noted = summary(tmp_path, events=(Event("environment", "note", "jaxlib 1 → 2"),))
    assert (noted.headline, noted.exit_code) == ("1 pair agrees", 0)
    assert summary(tmp_path, cells=(), rows=(), checks=(of["PASS"],)).headline == "1 of 1 check passed"
    store(tmp_path, "phase2", model="b", status="interrupted", reason="interrupted by SIGTERM")
    assert summary(tmp_path).headline == "1 pair agrees, 1 cell is not complete: b.phase2-noshuf-cpu"


STATUSES = {"PASS": 0, "FAIL": 1, "NOT RUN": None}


def test_nothing_compared_is_no_pass(tmp_path: Path) -> None:
    found = summary(tmp_path)
    assert (found.judged, found.headline, found.exit_code) == ([], "no pair could be compared", 3)


def test_an_absent_backend_costs_nothing_unless_it_was_asked_for(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    about: dict[str, Any] = {"backend": "rocm", "status": "refused", "reason": "no ROCm device", "losses": ()}
    store(tmp_path, "phase3", model="a", absent=True, asked=False, **about)
    assert summary(tmp_path).exit_code == 0
    store(tmp_path, "phase3", model="a", absent=True, asked=True, **about)
    assert summary(tmp_path).exit_code == 3


def test_every_form_takes_hostile_names_as_data(tmp_path: Path) -> None:
    for pipeline in ("phase2", "phase3"):
        told = {"conventions": {HOSTILE: HOSTILE}}
        store(tmp_path, pipeline, host=HOSTILE, header=told, manifest={"stderr_tail": HOSTILE})
    store(tmp_path, "phase2", model="x", status="crashed", reason=HOSTILE)
    store(tmp_path, "phase3", model="x")
    check = NightCheck(name="c", command=HOSTILE, status="FAIL", line=HOSTILE, output=HOSTILE)
    found = summary(tmp_path, checks=(check,), title=HOSTILE, problems=(HOSTILE,))
    document = json.loads(as_json.render(found))
    assert violation(document, "verdict") is None
    assert document["checks"][0]["command"] == HOSTILE
    text = markdown.render(found)
    assert "<script>" not in text
    assert "\x1b" not in text
    root = ElementTree.fromstring(junit.render(found))
    names = {suite.get("name"): len(suite) for suite in root.iter("testsuite")}
    assert names == {"pairs": 2, "checks": 1, "cells": 4}


def test_a_pass_on_a_part_of_the_steps_says_so_first(tmp_path: Path) -> None:
    for pipeline, loss in (("phase2", 2.0), ("phase3", 2.0 + 1e-7)):
        store(tmp_path, pipeline, [loss] * 20, model="a")
    found = summary(tmp_path)
    assert found.headline == "1 pair agrees on 8 of 20 steps"
    case = ElementTree.fromstring(junit.render(found)).find("testsuite/testcase")
    assert case is not None
    assert (case.findtext("system-out") or "").startswith("PASS on 8 of 20 steps: ")
    assert "agrees on 8 of 20 steps</a>" in render_page(found)
    assert "PASS on 8 of 20 steps" in markdown.render(found)
    (pair,) = json.loads(as_json.render(found))["pairs"]
    assert pair["compared"]["verdict"]["coverage"] == {"judged": 8, "planned": 20, "by": "rounding"}
    required = summarise([tmp_path], Judging(coverage=1.0))
    assert (statuses(required), required.exit_code) == (["INCONCLUSIVE"], 3)


def test_junit_has_failures_errors_and_skips(tmp_path: Path) -> None:
    store(tmp_path, "phase2", model="c")
    store(tmp_path, "phase3", [3.0, 1.5, 1.25], model="c")
    store(tmp_path, "phase2", model="d")
    store(tmp_path, "phase3", model="d", status="crashed", reason="exit code 1")
    late = NightCheck(name="late", command="c", status="NOT RUN", line="no time")
    root = ElementTree.fromstring(junit.render(summary(tmp_path, checks=(late,))))
    outcomes = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert outcomes["late"] == ["skipped"]
    pairs = {
        case.get("classname"): [c.tag for c in case]
        for case in root.iter("testcase")
        if " vs " in str(case.get("name"))
    }
    assert pairs == {"pairs.c": ["failure"], "pairs.d": ["error"]}
    assert root.get("failures") == "1"


def test_markdown_fits_the_summary_of_a_job(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    long = summary(tmp_path, problems=tuple(f"file {k}: " + "ä" * 200 for k in range(4000)))
    text = markdown.render(long)
    assert len(text.encode()) < 1 << 20
    assert text.endswith("Cut here: report.html has the rest.\n")


def test_all_reports_of_a_night_are_written_and_conform(tmp_path: Path) -> None:
    night = NightFolder(tmp_path / "night")
    night.path.mkdir()
    begin(night, CHECK, NOON)
    agreeing(night.traces, "a")
    assert [problem.partition(":")[0] for problem in summary(night.path).problems] == ["check a"]
    write_check(night.check("a"), NightCheck(name="a", command="c", status="PASS", exit_code=0, line="fine"))
    night.write_problems(["b: no data"])
    paths = write_summary(tmp_path / "out", summary(night.path))
    assert [path.name for path in paths] == ["report.html", "report.md", "junit.xml", "verdict.json"]
    document = json.loads(paths[-1].read_text())
    assert violation(document, "verdict") is None
    assert (document["night"], document["title"], document["problems"]) == ("2026-04-01", "nightly", ["b: no data"])
    assert len(list((tmp_path / "out" / "attestations").rglob("*.intoto.json"))) == 3
    assert not [path for path in paths if str(tmp_path) in path.read_text()]


def test_damaged_files_of_a_night_are_problems(tmp_path: Path) -> None:
    night = NightFolder(tmp_path)
    begin(night, CHECK, NOON)
    agreeing(night.traces, "a")
    night.checks.mkdir()
    for path in (night.check("a"), night.findings, night.problems):
        path.write_text("{")
    found = summary(tmp_path)
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "findings.json",
        "a.json",
        "problems.json",
        "check a",
    ]
    assert (statuses(found), found.exit_code) == (["PASS"], 3)


def test_cells_without_a_pair_are_no_agreement_even_beside_a_check_that_passed(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    passed = NightCheck(name="c", command="c", status="PASS", exit_code=0, line="fine")
    found = summary(tmp_path, checks=(passed,))
    assert (found.judged, found.exit_code) == ([], 3)
    assert summary(tmp_path, cells=(), problems=(), checks=(passed,)).exit_code == 0


def test_a_cell_that_is_not_complete_and_has_no_pair_is_named(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    store(tmp_path, "phase2", model="b", status="interrupted", reason="interrupted by SIGTERM")
    found = summary(tmp_path)
    assert (statuses(found), found.exit_code) == (["PASS"], 3)
    assert "b.phase2-noshuf-cpu" in found.headline


def test_a_folder_of_nights_tells_all_that_the_nights_tell(tmp_path: Path) -> None:
    night = NightFolder(tmp_path / "host" / "1")
    night.path.mkdir(parents=True)
    begin(night, CHECK, NOON)
    agreeing(night.traces, "a")
    agreeing(tmp_path / "host" / "loose", "b")
    (night.path / "build").mkdir()
    (night.path / "build" / "journal.jsonl").write_text("{}\n")
    write_check(night.check("a"), NightCheck(name="a", command="c", status="FAIL", line="differs"))
    found = summary(tmp_path)
    assert found.problems == ()
    assert (statuses(found), found.exit_code) == (["PASS"] * 2, 1)
    assert [(check.name, check.status) for check in found.checks] == [("a", "FAIL")]


def test_a_copy_of_a_folder_adds_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        agreeing(tmp_path / name, "a")
    assert statuses(summary(tmp_path)) == ["PASS"]


def test_a_night_given_twice_and_its_copy_are_one_night_that_lacks_nothing(tmp_path: Path) -> None:
    night = NightFolder(tmp_path / "night")
    night.path.mkdir()
    begin(night, "backends = ['cpu']\n[[verify]]\nmodels = ['mnist_mlp']\nladder = false\nsteps = 3\n" + CHECK, NOON)
    agreeing(night.traces, "mnist_mlp", steps=3)
    write_check(night.check("a"), NightCheck(name="a", command="c", status="PASS", exit_code=0, line="fine"))
    twice = summarise([night.path, night.path], Judging())
    assert (len(twice.checks), twice.problems, statuses(twice)) == (1, (), ["PASS"])
    shutil.copytree(night.path, tmp_path / "copy")
    copied = summarise([night.path, tmp_path / "copy"], Judging())
    assert (copied.problems, statuses(copied)) == ((), ["PASS"])


def test_an_f64_cell_that_cannot_be_read_makes_its_pair_inconclusive(tmp_path: Path) -> None:
    agreeing(tmp_path, "a")
    agreeing(tmp_path, "a", dtype="f64", steps=3, evidence=True)
    (tmp_path / "evidence" / "a.phase3-noshuf-cpu.f64.jsonl").write_text("junk\n")
    agreeing(tmp_path, "b")
    assert statuses(summary(tmp_path)) == ["INCONCLUSIVE", "PASS"]


@pytest.mark.parametrize("content", [b"{", b'{"name":"\xff","command":"c","status":"PASS","line":"x"}', b"[" * 100_000])
def test_a_check_that_cannot_be_read_is_a_problem(tmp_path: Path, content: bytes) -> None:
    night = NightFolder(tmp_path)
    begin(night, CHECK, NOON)
    night.checks.mkdir()
    night.check("a").write_bytes(content)
    (night.checks / "b.json").symlink_to("/dev/zero")
    problems = [problem.partition(":")[0] for problem in summary(tmp_path).problems]
    assert problems == ["a.json", "b.json", "check a"]


def test_a_damaged_plan_is_a_problem_of_its_night_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        night = NightFolder(tmp_path / name)
        night.path.mkdir()
        begin(night, "[[verify]]\nmodels = ['mnist_mlp']\nsteps = 1\nrotate = 999999\n" + CHECK, NOON)
        agreeing(night.traces, name)
        write_check(night.check("a"), NightCheck(name="a", command="c", status="PASS", exit_code=0, line="fine"))
    (tmp_path / "two" / "night.json").write_text("{")
    found = summary(tmp_path)
    assert [problem.rpartition(": ")[0].partition("night.json: ")[2] for problem in found.problems] == [
        "not the plan of a night"
    ]
    assert str(tmp_path) not in found.problems[0]
    assert (statuses(found), found.exit_code, found.night) == (["PASS"] * 2, 3, "2026-04-01")


def test_cells_of_two_hosts_become_one_report(tmp_path: Path) -> None:
    """As the last job of a night does it: export on each host, import them all, report."""
    runner = CliRunner()
    for host, backend in (("one", "cpu"), ("two", "rocm")):
        for pipeline in ("phase2", "phase3"):
            store(tmp_path / host, pipeline, host=host, backend=backend)
        bundle = str(tmp_path / f"{host}.tar.gz")
        assert runner.invoke(cli.main, ["export", str(tmp_path / host), "-o", bundle]).exit_code == 0
        taken = runner.invoke(cli.main, ["import", bundle, "--into", str(tmp_path / "all")])
        assert taken.exit_code == 0, taken.output
    found = runner.invoke(cli.main, ["report", str(tmp_path / "all"), "-o", str(tmp_path / "report")])
    assert found.exit_code == 0, found.output
    document = json.loads((tmp_path / "report" / "verdict.json").read_text())
    assert found.output.splitlines()[0] == document["headline"]
    assert {(pair["compared"]["pair"], pair["compared"]["kind"]) for pair in document["pairs"]} == {
        ("phase2-cpu vs phase3-cpu", "cross-compiler"),
        ("phase2-rocm vs phase3-rocm", "cross-compiler"),
        ("phase2-cpu vs phase2-rocm", "cross-platform"),
        ("phase3-cpu vs phase3-rocm", "cross-vendor"),
    }
    assert sorted(document["hosts"]) == ["one", "two"]


def row(**changes: Any) -> HistoryRow:
    values: dict[str, Any] = dict.fromkeys((field.name for field in dataclasses.fields(HistoryRow)), None)
    named = {"night": "2026-04-01", "model": "m", "pair": "a vs b", "kind": "k", "status": "PASS"}
    return HistoryRow(**values | named | {"host_a": "h", "host_b": "h"} | changes)


def test_history_grows_by_a_row_a_pair_a_night(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.parquet"
    assert read_history(path) == []
    append_history(path, [row(max=float("nan"), step_1=1e-7)])
    append_history(path, [row(night="2026-04-02", status="FAIL", fault="backward")])
    assert [(r.night, r.status) for r in read_history(path)] == [("2026-04-01", "PASS"), ("2026-04-02", "FAIL")]
    assert read_history(path)[0].step_1 == 1e-7
    append_history(path, [row(night="2026-04-02", status="PASS")])  # the same night again
    assert [(r.night, r.status) for r in read_history(path)] == [("2026-04-01", "PASS"), ("2026-04-02", "PASS")]


def test_a_damaged_history_is_one_line_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    path.write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(HarnessError, match=r"not a history: .* Move it away; the next night begins one"):
        append_history(path, [row()])
    assert path.read_bytes() == b"PAR1 and then nothing of the kind"


def test_another_table_is_no_history(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "history.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), path)
    with pytest.raises(HarnessError, match="not a history"):
        read_history(path)


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.main, ["report", str(tmp_path / "x"), "-o", str(tmp_path / "out")])
    assert found.exit_code == 2
    assert found.output == f"harness: {tmp_path}/x: not a folder; expected one with cells or that of a night.\n"


def planned(folder: Path, *pipelines: str, **facts: Any) -> None:
    """A run with its plan, as `verify` leaves it."""
    write_planned(folder, "a", [store(folder, pipeline, model="a", **facts).facts for pipeline in pipelines])


def test_cells_of_an_earlier_run_are_not_judged_and_that_is_told(tmp_path: Path) -> None:
    planned(tmp_path, "phase2", "phase3", "lean")
    planned(tmp_path, "phase2", "phase3")
    found = summary(tmp_path)
    assert (statuses(found), found.exit_code, found.problems) == (["PASS"], 0, ())
    assert sorted(cell.facts.pipeline for cell in found.cells) == ["phase2", "phase3"]
    (event,) = found.events
    assert (event.title, event.outcome) == ("earlier runs", "note")
    assert event.line == "1 cell is not of the newest run there and not judged, such as a.lean-noshuf-cpu"


def test_a_planned_cell_or_a_counterpart_that_is_gone_is_no_agreement(tmp_path: Path) -> None:
    planned(tmp_path, "phase2", "phase3", "lean")
    for path in tmp_path.glob("a.lean-*"):
        path.unlink()
    found = summary(tmp_path)
    assert (statuses(found), found.exit_code) == (["PASS"], 3)
    assert found.problems == ("a.lean-noshuf-cpu: planned with all steps, and there is no such cell. Run it again.",)
    agreeing(tmp_path / "other", "b")
    store(tmp_path / "other", "phase2", model="c")
    found = summary(tmp_path / "other")
    assert (statuses(found), found.exit_code) == (["PASS"], 3)
    assert found.problems == (
        "c.phase2-noshuf-cpu: nothing is there to compare it with, a run that differs from it in one factor.",
    )


def test_a_plan_that_is_damaged_is_a_problem_and_all_cells_count(tmp_path: Path) -> None:
    planned(tmp_path, "phase2", "phase3")
    (tmp_path / "a.planned.json").write_text("{")
    found = summary(tmp_path)
    assert (statuses(found), found.exit_code) == (["PASS"], 3)
    assert [problem.partition(":")[0] for problem in found.problems] == ["a.planned.json"]


@pytest.mark.parametrize("code", ["1", "3", "null", "-9"])
def test_a_check_that_passed_with_another_exit_code_than_0_is_a_problem(tmp_path: Path, code: str) -> None:
    night = NightFolder(tmp_path)
    begin(night, CHECK, NOON)
    agreeing(night.traces, "a")
    night.checks.mkdir()
    night.check("a").write_text(f'{{"name":"a","command":"c","status":"PASS","line":"fine","exit_code":{code}}}')
    found = summary(tmp_path)
    assert (found.checks, found.exit_code) == ((), 3)
    assert found.problems[0].startswith("a.json: not a check: status is PASS and exit_code ")


def test_cells_under_the_name_of_another_network_are_no_agreement(tmp_path: Path) -> None:
    agreeing(tmp_path, "mnist_mlp", provenance={"netspec_name": "MNIST-CNN"}, header={"netspec_name": "MNIST-CNN"})
    found = summary(tmp_path)
    assert (statuses(found), found.exit_code) == (["PASS"], 3)
    told = "mnist_mlp.phase2-noshuf-cpu: network is MNIST-MLP by its name and MNIST-CNN by its manifest."
    assert found.problems[0] == told
