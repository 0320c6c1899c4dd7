"""A program that is wrong about what ran it switches off none of the gates that hold for it."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.trace.manifest import CellFacts, Manifest, write_manifest
from harness.trace.recording import Recording, read_recording
from harness.verdict.compare import Judging
from harness.verdict.judge import Verdict
from harness.verdict.pair import judge_recordings
from tests.support.paths import ROOT

(REFERENCE,) = (ROOT / "traces" / "reference").glob("cpu-*jaxlib*/mnist_mlp.phase2-noshuf-cpu.jsonl.gz")


def cell(folder: Path, pipeline: str, change: Callable[[list[dict[str, Any]]], None] = lambda lines: None) -> Recording:
    """The first steps of an accepted trace as those of a cell on a processor, its lines changed."""
    with gzip.open(REFERENCE, "rt") as file:
        lines = [json.loads(next(file)) for _ in range(1 + 8)]
    lines[0] |= {"planned_steps": 8, "pipeline": pipeline}
    change(lines)
    facts = CellFacts(model="mnist_mlp", pipeline=pipeline, backend="cpu", steps=8)
    trace = folder / f"{facts.name}.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    digest = hashlib.sha256(trace.read_bytes()).hexdigest()
    manifest = Manifest(status="complete", cell=facts, steps_written=8, trace_sha256=digest, exit_code=0)
    write_manifest(folder / f"{facts.name}.manifest.json", manifest)
    return read_recording(trace)


def judged(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> Verdict:
    found = judge_recordings(cell(folder, "phase2"), cell(folder, "lean", change), Judging()).verdict
    assert found is not None
    return found


@pytest.mark.parametrize("backend", ["cpu", "cuda", "rocm", None])
def test_the_envelope_of_processors_judges_what_ran_on_one(tmp_path: Path, backend: str | None) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["backend"] = backend
        lines[1]["loss"] *= 1 + 1e-3

    found = judged(tmp_path, change)
    assert (found.status, found.place) == ("FAIL", "step 1, loss")
    assert {line.gate: line.outcome for line in found.evidence}["envelope"] == "fail"


def test_a_good_run_under_a_wrong_backend_is_no_pass_and_told(tmp_path: Path) -> None:
    assert judged(tmp_path, lambda lines: lines[0].update(backend="CPU")).status == "PASS"
    found = judged(tmp_path, lambda lines: lines[0].update(backend="cuda"))
    assert (found.status, found.gate) == ("INCONCLUSIVE", "complete")
    assert "B contradicts itself: backend is cpu in the manifest and cuda in the trace" in found.reason
