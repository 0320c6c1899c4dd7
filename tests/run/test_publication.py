"""What is kept of a run is what its program left when it ended, and what it started from is what it was given."""

import hashlib
from pathlib import Path

import pytest

from harness.run import publication
from harness.run.execute import run_cell
from harness.run.publication import publish
from harness.trace.manifest import Manifest
from harness.trace.reader import read_trace
from tests.support.misbehaving_cells import plan_of

WHOLE = """
header(3)
for k in (1, 2, 3): step(k)
"""


def test_whoever_still_has_the_programs_file_open_cannot_change_the_trace(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, WHOLE)
    plan.folder.mkdir()
    held = {}

    def hold(step: int, loss: float, seconds: float) -> None:
        held["file"] = plan.partial.open("r+b")

    manifest = run_cell(plan, hold)
    with held["file"] as file:
        file.write(b"x" * 1000)
    trace = read_trace(plan.trace, with_digest=True)
    assert trace.loss.tolist() == [1, 1 / 2, 1 / 3]
    assert trace.sha256 == manifest.trace_sha256
    assert not plan.partial.exists()


def test_a_trace_that_changes_after_it_was_read_is_not_kept(tmp_path: Path) -> None:
    partial, trace = tmp_path / "a.partial.jsonl", tmp_path / "a.jsonl"
    partial.write_bytes(b"changed")
    other = hashlib.sha256(b"read").hexdigest()
    assert publish(partial, trace, other) == "its trace was written to after its program had ended"
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial.jsonl"]
    assert publish(partial, trace, hashlib.sha256(b"changed").hexdigest()) is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_run_whose_trace_changes_after_its_end_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.execute.publish", lambda partial, trace, digest: publish(partial, trace, "other"))
    manifest = run_cell(plan_of(tmp_path, WHOLE))
    assert (manifest.status, manifest.reason) == ("crashed", "its trace was written to after its program had ended")


def started(tmp_path: Path, code: str) -> Manifest:
    """A run that is given a file of initial parameters."""
    init = tmp_path / "init.bin"
    init.write_bytes(b"parameters")
    sha256 = publication.digest_of(init)
    environment = {"LEAN_MLIR_INIT_LOAD": str(init)}
    return run_cell(plan_of(tmp_path, code, environment=environment, inputs={"init_sha256": sha256}))


def test_a_program_that_changes_what_it_was_given_to_start_from_is_a_crash(tmp_path: Path) -> None:
    assert started(tmp_path, WHOLE).status == "complete"
    changing = "start = os.environ['LEAN_MLIR_INIT_LOAD']\nopen(start, 'w').write('others')\n"
    manifest = started(tmp_path, changing + WHOLE)
    assert (manifest.status, manifest.exit_code) == ("crashed", 0)
    assert manifest.reason is not None
    assert manifest.reason.startswith("the file of initial parameters that it was given was changed: SHA-256 ")
    assert manifest.reason.endswith(f", it was {hashlib.sha256(b'parameters').hexdigest()}")
    assert not (tmp_path / "traces" / "net.other-noshuf-cpu.jsonl").exists()


def test_a_program_that_removes_what_it_was_given_to_start_from_is_a_crash(tmp_path: Path) -> None:
    manifest = started(tmp_path, WHOLE + "os.remove(os.environ['LEAN_MLIR_INIT_LOAD'])")
    assert manifest.status == "crashed"
    assert manifest.reason is not None
    assert manifest.reason.endswith("cannot be read any more: No such file or directory")


def test_a_trace_is_sealed_in_a_file_of_its_own(tmp_path: Path) -> None:
    partial, trace = tmp_path / "a.partial.jsonl", tmp_path / "a.jsonl"
    partial.write_bytes(b"x")
    before = partial.stat().st_ino
    with partial.open("rb"):  # so that its number is not used again
        assert publish(partial, trace, publication.digest_of(partial)) is None
        assert trace.stat().st_ino != before
