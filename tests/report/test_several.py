"""Several pairs on a terminal: what differs with its evidence, what is inconclusive, one line for the rest."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.data.dataset import DataChoice
from harness.night.checks import NightCheck
from harness.report.summary import Event, Summary, markdown, terminal
from harness.report.summary.build import summarise
from harness.report.tables import NAMED, deciding_gates, gate_table, show_verdict
from harness.report.text import FIRST, render_several
from harness.report.verification import Outcome, for_markdown, for_terminal
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow, agreed_steps
from harness.verdict.pairs import judge_cells
from tests.support.sample_traces import write
from tests.support.stored_cells import store

FALLING = [2.0 / (k + 1) for k in range(20)]
NEAR = [loss * (1 + 1e-7) for loss in FALLING]  # within rounding
WRONG = [FALLING[0], *(loss + 0.5 for loss in FALLING[1:])]


def cells(folder: Path, **losses: list[float]) -> list[StoredCell]:
    """Cells of one network and backend, by pipeline."""
    return [store(folder, name, values, model="mnist_mlp") for name, values in losses.items()]


def judged(folder: Path, **losses: list[float]) -> list[PairRow]:
    return list(judge_cells(cells(folder, **losses), Judging()))


def texts(rows: list[PairRow]) -> list[str]:
    return [str(document) for document in render_several(rows)]


def outcome(folder: Path, evidence: tuple[StoredCell, ...] = (), **losses: list[float]) -> Outcome:
    """The result of a verify of these pipelines."""
    stored = cells(folder, **losses)
    return Outcome(
        verification=Verification(model=load_model("mnist_mlp"), out=folder),
        judging=Judging(),
        data=DataChoice(folder, "mnist", "ab", 2560),
        init_sha256="cd",
        cells=tuple(stored),
        evidence=evidence,
        rows=tuple(judge_cells(stored, Judging())),
    )


def test_a_pair_that_differs_has_the_gates_that_decided_and_names_the_rest(tmp_path: Path) -> None:
    (row,) = judged(tmp_path, phase2=FALLING, phase3=WRONG)
    assert row.verdict is not None
    shown, whole = deciding_gates(row.verdict), gate_table(row.verdict)
    failed = [line for line in whole if line[1] == "fail"]
    assert shown[: len(failed)] == failed
    assert {line[1] for line in shown[len(failed) :]} == {"pass", "note", "not reached"}
    named = [name for line in shown[len(failed) :] for name in line[2].split(", ")]
    assert sorted([*named, *(line[0] for line in failed)]) == sorted(line[0] for line in whole)


def test_pairs_that_agree_are_a_line_and_those_that_differ_have_evidence(tmp_path: Path) -> None:
    rows = judged(tmp_path, phase2=FALLING, phase3=NEAR, wrong=WRONG)
    *differ, rest = texts(rows)
    assert rest == "1 pair agrees on 8 of 20 steps; --verbose prints the evidence of every pair.\n"
    assert [text.partition("\n")[0] for text in differ] == [
        "phase2-cpu vs wrong-cpu: FAIL (backward)",
        "phase3-cpu vs wrong-cpu: FAIL (backward)",
    ]
    assert all("backward and optimizer  fail" in text for text in differ)


def test_an_inconclusive_pair_is_a_sentence(tmp_path: Path) -> None:
    crashed = store(tmp_path, "crashing", FALLING[:4], model="mnist_mlp", status="crashed", reason="exit code 1")
    rows = list(judge_cells([*cells(tmp_path, phase2=FALLING, phase3=NEAR), crashed], Judging()))
    sentences, _ = texts(rows)
    assert sentences.splitlines() == [
        "phase2-cpu vs crashing-cpu: INCONCLUSIVE: cells: crashing-cpu: crashed: exit code 1",
        "phase3-cpu vs crashing-cpu: INCONCLUSIVE: cells: crashing-cpu: crashed: exit code 1",
    ]


def test_a_finding_that_several_pairs_share_is_told_once(tmp_path: Path) -> None:
    rows = judged(tmp_path, phase2=FALLING, phase3=NEAR, wrong=WRONG)
    found = [replace(row, findings=(f"about {row.a}", f"about {row.b}")) for row in rows]
    assert "".join(texts(found)).count("about wrong-cpu") == 1


def test_beyond_the_first_pairs_that_differ_each_has_a_sentence(tmp_path: Path) -> None:
    rows = judged(tmp_path, phase2=FALLING, phase3=WRONG) * (FIRST + 2)
    *evidence, sentences = texts(rows)
    assert len(evidence) == FIRST
    assert rows[0].verdict is not None
    assert sentences.splitlines() == [f"{rows[0].name}: {rows[0].verdict.sentence}"] * 2


def test_verify_prints_a_single_pair_whole_and_of_several_what_differs(tmp_path: Path) -> None:
    single = str(for_terminal(outcome(tmp_path / "one", phase2=FALLING, phase3=NEAR)))
    assert "not reached  the pair was not run in f64." in single
    assert "--verbose" not in single
    several = outcome(tmp_path / "three", phase2=FALLING, phase3=NEAR, wrong=WRONG)
    brief, whole = str(for_terminal(several)), str(for_terminal(several, verbose=True))
    assert "the pair was not run in f64." not in brief
    assert whole.count("the pair was not run in f64.") == 3
    assert len(brief.splitlines()) < len(whole.splitlines()) - 30
    for text in (brief, whole):
        assert "phase2-cpu vs wrong-cpu: FAIL (backward)" in text
        assert text.splitlines()[-1] == (
            "MNIST-MLP: 1 of 3 pairs agree on 8 of 20 steps; 2 differ, each with wrong-cpu: "
            "phase2-cpu vs wrong-cpu, backward, step 2; phase3-cpu vs wrong-cpu, backward, step 2."
        )


def test_verify_counts_the_cells_of_evidence_and_lists_those_that_failed(tmp_path: Path) -> None:
    good = store(tmp_path / "e", "phase2", FALLING[:4], model="mnist_mlp", dtype="f64", evidence=True)
    bad = {"status": "crashed", "reason": "exit code 1", "dtype": "f64", "evidence": True}
    failed = store(tmp_path / "e", "phase3", FALLING[:2], model="mnist_mlp", **bad)
    found = outcome(tmp_path, (good, failed), phase2=FALLING, phase3=NEAR, wrong=WRONG)
    brief = str(for_terminal(found))
    assert "1 more cell is complete, run as evidence for these." in brief
    assert good.name not in brief
    assert failed.name in brief
    assert good.name in str(for_terminal(found, verbose=True))


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ((3,), ""),
        ((3, 4), ""),
        ((20,), " on 8 of 20 steps"),
        ((20, 20), " on 8 of 20 steps"),
        ((3, 20, 20), " (1 on all steps, 2 on 8 of 20 steps)"),
        ((3, 20, 19), " (2 on a part of their steps only)"),
        ((), ""),
    ],
)
def test_agreement_says_on_which_steps(tmp_path: Path, lengths: tuple[int, ...], expected: str) -> None:
    rows = [
        row
        for number, length in enumerate(lengths)
        for row in judged(tmp_path / str(number), phase2=FALLING[:length], phase3=NEAR[:length])
    ]
    assert agreed_steps(rows) == expected


def test_every_form_says_on_which_steps_a_pair_agrees(tmp_path: Path) -> None:
    found = outcome(tmp_path, phase2=FALLING, phase3=NEAR)
    for text in (str(for_terminal(found)), for_markdown(found), markdown.render(summarise([tmp_path], Judging()))):
        assert "PASS on 8 of 20 steps" in text
        assert re.search(r"pairs? agrees? on 8 of 20 steps", text)
        assert "undated" not in text
    (row,) = found.rows
    assert row.verdict is not None
    assert len(row.verdict.unreached) > NAMED
    assert show_verdict(row) == f"PASS on 8 of 20 steps (not reached: {len(row.verdict.unreached)} gates)"


def test_diff_of_several_traces_shows_what_differs(tmp_path: Path) -> None:
    named = {"a": FALLING, "b": NEAR, "far": WRONG}
    paths = [str(write(tmp_path / f"{name}.jsonl", losses)) for name, losses in named.items()]
    found = CliRunner().invoke(cli.main, ["diff", *paths])
    whole = CliRunner().invoke(cli.main, ["diff", *paths, "--verbose"])
    assert found.exit_code == whole.exit_code == 1
    assert [found.output.count("smallest tolerance that passes"), whole.output.count("smallest tolerance")] == [2, 3]
    assert found.output.endswith("1 pair agrees on 8 of 20 steps; --verbose prints the evidence of every pair.\n")
    assert whole.output.count("the pair was not run in f64.") == 3
    two = CliRunner().invoke(cli.main, ["diff", *paths[:2]])
    assert "the pair was not run in f64." in two.output


def a_bad_night(folder: Path) -> Summary:
    """Of everything that can be wrong something."""
    cells(folder, phase2=FALLING, phase3=WRONG)
    for pipeline in ("phase2", "phase3"):
        store(folder, pipeline, model="fine")
    store(folder, "phase2", model="lone")
    store(folder, "phase2", FALLING[:4], model="dead", status="crashed", reason="exit code 1")
    (folder / "bad.manifest.json").write_text("{")
    found = summarise([folder], Judging())
    check = NightCheck(name="fuzz", command="c", status="FAIL", exit_code=1, line="1 of 40 networks differs.")
    passed = NightCheck(name="oracle", command="c", status="PASS", exit_code=0, line="58 of 58 cases agree.")
    events = (*found.events, Event("environment", "note", "jaxlib 1 → 2"))
    return Summary(
        found.title, found.night, found.mode, found.cells, found.rows, (check, passed), events, (), found.problems
    )


def test_a_report_names_on_the_terminal_all_that_is_not_well(tmp_path: Path) -> None:
    found = a_bad_night(tmp_path)
    text = str(terminal.render(found))
    lines = text.splitlines()
    assert lines[0] == found.headline
    assert "mnist_mlp phase2-cpu vs phase3-cpu: FAIL (backward)" in lines
    assert "not complete: dead.phase2-noshuf-cpu: crashed: exit code 1" in lines
    assert "check fuzz: FAIL: 1 of 40 networks differs." in lines
    assert "environment: jaxlib 1 → 2" in lines
    assert [line for line in lines if line.startswith("problem: ")] == [f"problem: {one}" for one in found.problems]
    assert len(found.problems) == 2
    assert "oracle" not in text
    assert "fine phase2-cpu vs phase3-cpu: PASS" in str(terminal.render(found, verbose=True))


def test_a_report_in_which_all_is_well_is_its_headline(tmp_path: Path) -> None:
    cells(tmp_path, phase2=FALLING[:3], phase3=NEAR[:3])
    assert str(terminal.render(summarise([tmp_path], Judging()))) == "1 pair agrees\n"


def test_many_problems_are_cut_on_the_terminal_and_counted(tmp_path: Path) -> None:
    found = Summary("t", "undated", "cross-comp", (), (), problems=tuple(f"file {k}" for k in range(30)))
    lines = str(terminal.render(found)).splitlines()
    assert [line for line in lines if "file" in line] == [f"problem: file {k}" for k in range(terminal.MOST)]
    assert lines[-1] == f"and {30 - terminal.MOST} more like the last one: report.md has them all"


def test_the_verb_report_prints_problems_and_pairs(tmp_path: Path) -> None:
    a_bad_night(tmp_path / "night")
    words = ["report", str(tmp_path / "night"), "-o", str(tmp_path / "out")]
    found = CliRunner().invoke(cli.main, words)
    assert found.exit_code == 1
    problems = json.loads((tmp_path / "out" / "verdict.json").read_text())["problems"]
    assert len(problems) == 2
    assert all(f"problem: {problem}\n" in found.output for problem in problems)
    assert "fine phase2-cpu vs phase3-cpu: PASS" in CliRunner().invoke(cli.main, [*words, "--verbose"]).output
