"""Files of a run that say two things of it: each is told with its key and both values, and nothing of it passes."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import TraceError
from harness.trace.manifest import Manifest, manifest_path, write_manifest
from harness.trace.recording import read_recording
from harness.trace.store import StoredCell, read_cell, read_store, verified_cells
from harness.verdict.compare import Judging
from harness.verdict.judge import Verdict
from harness.verdict.pairs import judge_cells
from tests.support.stored_cells import store

SHA = "ab" * 32
STATES = {"netspec_name": "some_mlp", "netspec_hash": SHA, "init_sha256": SHA, "data_sha256": SHA}


def verdict(root: Path) -> Verdict:
    """Of the one pair that there is."""
    (row,) = judge_cells(read_store([root]).cells, Judging())
    assert row.verdict is not None
    return row.verdict


def changed(cell: StoredCell, **changes: Any) -> None:
    """Edit a manifest as somebody with an editor does."""
    path = manifest_path(cell.trace)
    write_manifest(path, msgspec.structs.replace(cell.manifest, **changes))


def test_files_that_agree_pass_whatever_their_spelling(tmp_path: Path) -> None:
    for pipeline in ("phase2", "phase3"):
        told = {**STATES, "init_sha256": SHA.upper(), "planned_steps": 3}
        header = {**STATES, "dtype": "float32", "backend": "CPU", "shuffle": False, "jit": True}
        cell = store(tmp_path, pipeline, header=header, provenance=told)
        assert cell.read().contradictions == ()
    assert verdict(tmp_path).status == "PASS"


@pytest.mark.parametrize(
    ("header", "facts", "provenance", "told"),
    [
        ({"backend": "cuda"}, {}, {}, "backend is cpu in the manifest and cuda in the trace"),
        ({"dtype": "bfloat16"}, {}, {}, "dtype is f32 in the manifest and bfloat16 in the trace"),
        ({"shuffle": True}, {}, {}, "shuffle is False in the manifest and True in the trace"),
        ({"jit": False}, {}, {}, "eager is False in the manifest and True in the trace"),
        ({"pipeline": "phase3"}, {}, {}, "pipeline is phase2 in the manifest and phase3 in the trace"),
        ({}, {"batch_size": 4}, {}, "batch_size is 4 in the manifest and 128 in the trace"),
        ({}, {"steps": 2}, {}, "steps is 2 in the manifest, and the trace has 3 steps"),
        ({}, {}, {"planned_steps": 20}, "planned_steps is 20 in the manifest, and the trace has 3 steps"),
        ({}, {}, {"netspec_name": "other"}, "netspec_name is other in the manifest and some_mlp in the trace"),
        *(
            ({key: "cd" * 32}, {}, {key: SHA}, f"{key} is {SHA} in the manifest and {'cd' * 32} in the trace")
            for key in ("netspec_hash", "init_sha256", "data_sha256", "emitted_sha256")
        ),
    ],
)
def test_a_manifest_that_contradicts_its_trace_is_told_and_no_pass(
    tmp_path: Path, header: dict[str, Any], facts: dict[str, Any], provenance: dict[str, Any], told: str
) -> None:
    first = store(tmp_path, "phase2", header=header, provenance=provenance, **facts)
    assert first.read().contradictions == (told,)
    # The other side is of the same run, so that only the contradiction is in the way.
    other = {key: value for key, value in header.items() if key not in ("backend", "pipeline", "jit")}
    store(tmp_path, "phase3", header=other, **facts)
    found = verdict(tmp_path)
    assert (found.status, found.gate) == ("INCONCLUSIVE", "complete")
    assert f"A contradicts itself: {told}" in found.reason


def test_the_header_of_somebody_elses_command_may_name_its_pipeline(tmp_path: Path) -> None:
    cell = store(tmp_path, "lean", header={"pipeline": "lean-iree"}, provenance={"command_sha256": SHA})
    assert cell.read().contradictions == ()


def test_the_backend_of_a_judged_cell_is_what_ran_it_and_no_word_of_a_header(tmp_path: Path) -> None:
    cell = store(tmp_path, "lean", header={"backend": "cuda"}, provenance={"command_sha256": SHA})
    assert cell.read().trace.header.backend == "cpu"
    untold = store(tmp_path, "other", header={"backend": None})
    assert untold.read().trace.header.backend == "cpu"
    write_manifest(manifest_path(cell.trace), Manifest(status="complete"))
    assert read_recording(cell.trace).trace.header.backend == "cuda", "nobody else tells"


def renamed(cell: StoredCell, stem: str) -> StoredCell:
    """The cell under another name."""
    manifest = cell.trace.with_name(f"{stem}.manifest.json")
    shutil.move(cell.trace, cell.trace.with_name(f"{stem}.jsonl"))
    shutil.move(manifest_path(cell.trace), manifest)
    return read_cell(manifest, cell.root)


@pytest.mark.parametrize(
    "stem",
    [
        "some_mlp.phase3-noshuf-cpu",
        "other.phase2-noshuf-cpu",
        "some_mlp.phase2-shuf-cpu",
        "some_mlp.phase2-noshuf-rocm",
        "some_mlp.phase2-noshuf-cpu.f64",
        "some_mlp.phase2-noshuf-cpu.s43",
    ],
)
def test_a_cell_under_the_name_of_another_is_told(tmp_path: Path, stem: str) -> None:
    cell = renamed(store(tmp_path, "phase2"), stem)
    assert cell.read().contradictions == (
        f"name is some_mlp.phase2-noshuf-cpu in the manifest and {stem} in the folder",
    )


def test_a_name_that_claims_no_cell_contradicts_none(tmp_path: Path) -> None:
    assert renamed(store(tmp_path, "phase2"), "mine").read().contradictions == ()


def test_a_cell_that_was_moved_among_the_evidence_is_told(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    (tmp_path / "evidence").mkdir()
    for path in (cell.trace, manifest_path(cell.trace)):
        shutil.move(path, tmp_path / "evidence")
    (moved,) = read_store([tmp_path]).cells
    assert moved.read().contradictions == ("evidence is false in the manifest, and the files lie in evidence/",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exit_code": 1}, "exit_code is 1"),
        ({"exit_code": -11}, "exit_code is -11"),
        ({"signal": "SIGSEGV"}, "signal is SIGSEGV"),
        ({"trace_sha256": None}, "it does not say which trace it describes"),
        ({"trace_sha256": ""}, "trace_sha256 is '', no SHA-256"),
        ({"trace_sha256": "unknown"}, "trace_sha256 is 'unknown', no SHA-256"),
    ],
)
def test_a_complete_run_that_cannot_have_been_is_told_and_no_pass(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    changed(store(tmp_path, "phase2"), **changes)
    store(tmp_path, "phase3")
    found = verdict(tmp_path)
    assert (found.status, found.gate) == ("INCONCLUSIVE", "complete")
    assert f"the manifest of A says complete, and {told}" in found.reason
    cell = next(cell for cell in read_store([tmp_path]).cells if cell.facts.pipeline == "phase2")
    assert not cell.complete
    assert told in cell.note


def test_a_complete_run_beside_the_rest_of_one_is_told(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    rest = cell.trace.with_suffix(".partial.jsonl")
    shutil.copy(cell.trace, rest)
    (told,) = cell.read().contradictions
    assert told.endswith("some_mlp.phase2-noshuf-cpu.partial.jsonl lies beside it, the rest of a run")
    cell.trace.unlink()
    assert read_recording(rest).contradictions == (
        "status is complete in the manifest, and the trace is named as the rest of a run",
    )


def test_a_negative_cross_entropy_is_no_loss(tmp_path: Path) -> None:
    nats = {"units": {"loss": "nats"}}
    for pipeline in ("phase2", "phase3"):
        store(tmp_path, pipeline, [0.5, -0.25, -0.3], header=nats)
    found = verdict(tmp_path)
    assert (found.status, found.gate) == ("INCONCLUSIVE", "complete")
    assert "the loss of A at step 2 is -0.25 nats; no cross-entropy is negative" in found.reason
    assert "the loss of B at step 2" in found.reason


@pytest.mark.parametrize(("losses", "header"), [([-1.0, -2.0], {}), ([1.0, -6e-8], {"units": {"loss": "nats"}})])
def test_a_loss_that_may_be_negative_or_rounds_to_it_passes(
    tmp_path: Path, losses: list[float], header: dict[str, Any]
) -> None:
    for pipeline in ("phase2", "phase3"):
        store(tmp_path, pipeline, losses, header=header)
    assert verdict(tmp_path).status == "PASS"


@pytest.mark.parametrize("key", ["emitted_sha256", "command_sha256"])
def test_two_sides_with_one_program_are_told(tmp_path: Path, key: str) -> None:
    for pipeline in ("some", "other"):
        store(tmp_path / "same", pipeline, provenance={key: SHA})
        store(tmp_path / "two", pipeline, provenance={key: pipeline})
    (same,), (two,) = (
        [e.line for e in verdict(tmp_path / n).evidence if e.gate == "contract"] for n in ("same", "two")
    )
    assert "the same program on both sides" in same
    assert "program" not in two


def test_the_end_of_a_complete_run_is_told_where_it_is_remarkable(tmp_path: Path) -> None:
    store(tmp_path, "phase2")
    store(tmp_path, "phase3", reason="stopped after the planned steps; it had gone on: exit code 7")
    (line,) = [e.line for e in verdict(tmp_path).evidence if e.gate == "complete"]
    assert line.endswith("; B was stopped after the planned steps; it had gone on: exit code 7.")


def test_a_complete_run_without_digest_and_without_trace_is_damaged(tmp_path: Path) -> None:
    cell = store(tmp_path, "phase2")
    changed(cell, trace_sha256=None)
    cell.trace.unlink()
    with pytest.raises(TraceError, match=r"is not there, and its manifest tells of it\. Run the cell again\.$"):
        verified_cells([tmp_path])
