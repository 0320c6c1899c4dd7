"""Cells on disk."""

from pathlib import Path

import pytest

from harness.errors import TraceError
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.evidence_cells import find_evidence
from harness.verdict.pairs import judge_cells, runs_of
from tests.support.sample_traces import write
from tests.support.stored_cells import store


def test_every_cell_below_the_folders_is_found(tmp_path: Path) -> None:
    store(tmp_path / "a", "phase2")
    store(tmp_path / "a" / "deep", "phase3")
    store(tmp_path / "b", "phase3", evidence=True, dtype="f64")
    stored = read_store([tmp_path / "a", tmp_path / "b"])
    assert [(cell.name, cell.relative) for cell in stored.cells] == [
        ("some_mlp.phase2-noshuf-cpu", "some_mlp.phase2-noshuf-cpu.jsonl"),
        ("some_mlp.phase3-noshuf-cpu", "deep/some_mlp.phase3-noshuf-cpu.jsonl"),
        ("some_mlp.phase3-noshuf-cpu.f64", "evidence/some_mlp.phase3-noshuf-cpu.f64.jsonl"),
    ]
    assert stored.problems == ()
    assert len(read_store([tmp_path / "a", tmp_path, tmp_path / "b"]).cells) == 3


def test_what_is_no_cell_is_said_and_the_others_stay(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    (tmp_path / "bad.manifest.json").write_text("{")
    write(tmp_path / "killed.partial.jsonl", [1.0])
    old = store(tmp_path / "old", "phase3")
    path = tmp_path / "old" / f"{old.name}.manifest.json"
    path.write_text(path.read_text().replace('"cell"', '"sell"'))
    stored = read_store([tmp_path])
    assert [cell.facts.pipeline for cell in stored.cells] == ["phase2"]
    assert [problem.split(": ")[0] for problem in stored.problems] == [
        "bad.manifest.json:1",
        "killed.partial.jsonl",
        "old/some_mlp.phase3-noshuf-cpu.manifest.json:1",
    ]
    assert str(tmp_path) not in "".join(stored.problems)


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="nowhere: not a folder; expected one with cells"):
        read_store([tmp_path / "nowhere"])


def test_a_partial_trace_belongs_to_the_cell_of_its_name(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase3", status="crashed", reason="exit code 1")
    assert (cell.name, cell.relative) == ("some_mlp.phase3-noshuf-cpu", "some_mlp.phase3-noshuf-cpu.partial.jsonl")
    assert cell.note == "crashed: exit code 1"


def test_pairs_form_within_a_run_and_across_hosts(tmp_path: Path) -> None:
    for pipeline in ("phase2", "phase3"):
        store(tmp_path / "a", pipeline, host="host a")
        store(tmp_path / "b", pipeline, host="host b")
        store(tmp_path / "c", pipeline, host="host a", backend="rocm")
        store(tmp_path / "d", pipeline, steps=3)
    cells = read_store([tmp_path]).cells
    assert sorted(map(len, runs_of(cells))) == [2, 6]
    rows = {row.name: row.kind for row in judge_cells(cells, Judging())}
    assert rows == {
        "phase2-cpu@host a vs phase3-cpu@host a": "cross-compiler",
        "phase2-cpu@host b vs phase3-cpu@host b": "cross-compiler",
        "phase2-rocm vs phase3-rocm": "cross-compiler",
        "phase2-cpu@host a vs phase2-cpu@host b": "cross-platform",
        "phase3-cpu@host a vs phase3-cpu@host b": "cross-vendor",
        "phase2-cpu@host a vs phase2-rocm": "cross-platform",
        "phase2-cpu@host b vs phase2-rocm": "cross-platform",
        "phase3-cpu@host a vs phase3-rocm": "cross-vendor",
        "phase3-cpu@host b vs phase3-rocm": "cross-vendor",
        "phase2-cpu vs phase3-cpu": "cross-compiler",
    }


def test_a_pair_is_judged_with_the_f64_check_of_its_own_host(tmp_path: Path) -> None:
    for host in ("host a", "host b"):
        for pipeline in ("phase2", "phase3"):
            store(tmp_path / host, pipeline, host=host)
            losses = [2.0, 1.5, 1.25 + 2.0**-10 * (host == "host b" and pipeline == "phase3")]
            store(tmp_path / host, pipeline, losses, host=host, dtype="f64", steps=3, evidence=True)
    rows = {row.name: row for row in judge_cells(read_store([tmp_path]).cells, Judging())}
    f64_checks = {name: [e.outcome for e in row.verdict.evidence if e.gate == "ladder"] for name, row in rows.items()}
    assert f64_checks["phase2-cpu@host a vs phase3-cpu@host a"] == ["pass"]
    assert f64_checks["phase2-cpu@host b vs phase3-cpu@host b"] == ["fail"]
    assert f64_checks["phase2-cpu@host a vs phase2-cpu@host b"] == ["pass"]
    assert f64_checks["phase3-cpu@host a vs phase3-cpu@host b"] == ["fail"]


def test_a_run_in_lockstep_is_evidence_for_the_leader_of_its_own_host(tmp_path: Path) -> None:
    here, there = (store(tmp_path / host, "phase3", host=host) for host in ("host a", "host b"))
    free = store(tmp_path / "host b", "phase3", host="host b", backend="vulkan")
    told = {"evidence": True, "follows": "phase3-cpu", "segment": 8, "status": "crashed", "reason": "it crashed"}
    follower = store(tmp_path / "host b", "phase3", host="host b", backend="vulkan", **told)
    assert "it crashed" in str(find_evidence(there, free, [follower]).lockstep)
    assert find_evidence(here, free, [follower]).lockstep is None


def test_a_cell_that_crashed_makes_its_pairs_inconclusive(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    store(tmp_path, "phase3", status="timed-out", reason="no end after 5 s, at step 3")
    (row,) = judge_cells(read_store([tmp_path]).cells, Judging())
    assert row.verdict is not None
    assert row.verdict.status == "INCONCLUSIVE"
    assert row.note == "phase3-cpu: timed-out: no end after 5 s, at step 3"


def test_a_hidden_folder_is_of_whoever_still_writes_it(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    store(tmp_path / ".importing" / "cells", "phase3")
    assert [cell.facts.pipeline for cell in read_store([tmp_path]).cells] == ["phase2"]


def test_a_trace_that_cannot_be_read_costs_its_pairs_only(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store(tmp_path, "phase2", model=name)
        store(tmp_path, "phase3", model=name)
    (tmp_path / "a.phase2-noshuf-cpu.jsonl").write_text("{}\n")
    (tmp_path / "b.phase3-noshuf-cpu.jsonl").unlink()
    store(tmp_path, "phase2", model="c")
    store(tmp_path, "phase3", model="c")
    rows = list(judge_cells(read_store([tmp_path]).cells, Judging()))
    assert [row.verdict.status for row in rows if row.verdict] == ["INCONCLUSIVE", "INCONCLUSIVE", "PASS"]
    assert rows[0].note.startswith("phase2-cpu: a.phase2-noshuf-cpu.jsonl:1: ")
    assert rows[1].note == "phase3-cpu: b.phase3-noshuf-cpu.jsonl:1: cannot be read: No such file or directory."


def test_trouble_that_this_version_does_not_know_is_named(tmp_path: Path) -> None:
    cell = store(tmp_path, status="crashed", reason="exit code 1", manifest={"known_trouble": "next-year"})
    assert cell.note == "crashed: exit code 1; known trouble (next-year)"


def test_a_manifest_that_lost_the_digest_of_its_trace_is_no_proof(tmp_path: Path) -> None:
    store(tmp_path, "phase2", manifest={"trace_sha256": None})
    store(tmp_path, "phase3")
    (row,) = judge_cells(read_store([tmp_path]).cells, Judging())
    assert row.verdict is not None
    assert (row.verdict.status, row.verdict.gate) == ("INCONCLUSIVE", "complete")
    assert "does not say which trace it describes" in row.verdict.reason
