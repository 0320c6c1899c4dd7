"""Causes of the differences of a night: searched once, kept, and tried again when the search failed."""

import json
from pathlib import Path

import pytest

from harness.explain import subprocess
from harness.explain.subprocess import Trained
from harness.night.findings import find_causes, read_findings, with_findings
from harness.report.tables import where
from harness.system.process import Captured
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow
from harness.verdict.pairs import judge_cells
from tests.support.stored_cells import store

LOCATED = {"fault": "backward", "layer": "pool1", "direction": "backward", "side": "phase3", "evidence": ["it is off."]}


@pytest.fixture
def rows(tmp_path: Path) -> list[PairRow]:
    store(tmp_path, "phase2")
    store(tmp_path, "phase3", [2.0, 2.5, 1.25])
    return list(judge_cells(read_store([tmp_path]).cells, Judging()))


def search(monkeypatch: pytest.MonkeyPatch, path: Path, rows: list[PairRow], *answers: Captured | None) -> int:
    """Look for causes with these answers of `explain`; how many were asked for."""
    waiting = list(answers)
    monkeypatch.setattr(subprocess, "capture", lambda *_: waiting.pop(0))
    find_causes(path, rows, (), lambda row: Trained("mnist_mlp", path.parent), lambda: None)
    return len(answers) - len(waiting)


def test_a_culprit_is_kept_and_named(tmp_path: Path, rows: list[PairRow], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "findings.json"
    found = Captured(1, json.dumps(LOCATED), "")
    assert search(monkeypatch, path, rows, found) == 1
    assert search(monkeypatch, path, rows, found) == 0
    (row,) = with_findings(rows, read_findings(path))
    assert where(row) == "backward of pool1 (phase3)"
    assert row.findings == ("it is off.",)


@pytest.mark.parametrize("failure", [None, Captured(2, "", f"harness: {Path.home()}/x/data: no such folder")])
def test_a_search_that_failed_is_told_without_paths_and_tried_again(
    tmp_path: Path, rows: list[PairRow], monkeypatch: pytest.MonkeyPatch, failure: Captured | None
) -> None:
    path = tmp_path / "findings.json"
    assert search(monkeypatch, path, rows, failure) == 1
    (row,) = with_findings(rows, read_findings(path))
    assert row.findings[0].startswith("the search for the layer ")
    assert f"{Path.home()}/" not in row.findings[0]
    assert search(monkeypatch, path, rows, Captured(1, json.dumps(LOCATED), "")) == 1


def test_damaged_findings_are_found_again(tmp_path: Path, rows: list[PairRow], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "findings.json"
    path.write_text("{")
    assert search(monkeypatch, path, rows, Captured(1, json.dumps(LOCATED), "")) == 1
    assert len(read_findings(path)) == 1


def test_rounding_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pipeline in ("phase2", "phase3"):
        store(tmp_path, pipeline)
    rows = list(judge_cells(read_store([tmp_path]).cells, Judging()))
    assert search(monkeypatch, tmp_path / "findings.json", rows, None) == 0
