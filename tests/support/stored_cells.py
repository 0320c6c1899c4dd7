"""Stored cells that nobody ran, for the tests of whatever reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.trace.manifest import CellFacts, Manifest, manifest_path, write_manifest
from harness.trace.reader import read_trace
from harness.trace.store import StoredCell, read_cell
from tests.support.sample_traces import write


def store(
    root: Path,
    pipeline: str = "phase2",
    losses: Sequence[float] = (2.0, 1.5, 1.25),
    *,
    backend: str = "cpu",
    model: str = "some_mlp",
    host: str = "host a",
    status: str = "complete",
    reason: str | None = None,
    manifest: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    **facts: Any,
) -> StoredCell:
    """Write a cell's two files and read them back. A cell that is not complete keeps a partial trace."""
    told = CellFacts(
        model=model, pipeline=pipeline, backend=backend, command=f"harness run {model} --pipeline {pipeline}", **facts
    )
    folder = root / ("evidence" if told.evidence else "")
    folder.mkdir(parents=True, exist_ok=True)
    trace = folder / f"{told.name}{'' if status == 'complete' else '.partial'}.jsonl"
    sha256, steps = None, 0
    if losses:
        keys = {"netspec_name": model, "pipeline": pipeline, "backend": backend, "dtype": told.dtype} | (header or {})
        write(trace, losses, **keys)
        sha256, steps = read_trace(trace, with_digest=True).sha256, len(losses)
    path = manifest_path(trace)
    about = {"status": status, "reason": reason, "cell": told, "steps_written": steps, "trace_sha256": sha256}
    write_manifest(path, Manifest(**(about | {"provenance": {"host": host} | (provenance or {})} | (manifest or {}))))
    return read_cell(path, root)
