"""Cells of made-up vendors, `red` and `green`, which nobody ran; and the two published traces as cells."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.trace.manifest import CellFacts, Manifest, manifest_path, write_manifest
from tests.support.stored_cells import store

STEPS = 12
MLP = {"netspec_name": "MNIST-MLP", "init_sha256": 64 * "a", "epoch_steps": STEPS}
CNN = MLP | {"netspec_name": "MNIST-CNN"}


def losses(off: Mapping[int, float] | None = None) -> list[float]:
    """Losses as float32 that fall; `off`: what is added at steps, in units in the last place."""
    found = (2.4 * np.exp(-np.arange(STEPS) / 8)).astype(np.float32)
    for step, units in (off or {}).items():
        found[step - 1] += np.float32(units) * np.spacing(found[step - 1])
    return found.tolist()


def corner(
    root: Path,
    pipeline: str,
    vendor: str,
    off: Mapping[int, float] | None = None,
    *,
    model: str = "mnist_mlp",
    accuracy: float | None = 0.995,
    host: str | None = None,
    header: Mapping[str, Any] | None = None,
    **facts: Any,
) -> None:
    """A cell of a made-up vendor, on a host called after it unless named. `off`: as for `losses`."""
    about = (CNN if model == "mnist_cnn" else MLP) | {"emitted_sha256": hashlib.sha256(pipeline.encode()).hexdigest()}
    store(
        root / vendor,
        pipeline,
        losses(off),
        backend=vendor,
        model=model,
        host=host or f"made-up {vendor}",
        manifest={"test_accuracy": accuracy},
        header=about | dict(header or {}),
        **facts,
    )


def published_cells(root: Path) -> None:
    """The two published traces, as the cells of two hosts. Skips where they are not."""
    folder = os.environ.get("HARNESS_REFERENCE_TRACES")
    if folder is None:
        pytest.skip("HARNESS_REFERENCE_TRACES does not name the folder of the two published traces")
    for host, backend in (("mars", "rocm"), ("ares", "cuda")):
        facts = CellFacts(model="mnist_mlp", pipeline="phase3", backend=backend)
        trace = root / host / f"{facts.name}.jsonl"
        trace.parent.mkdir(parents=True)
        shutil.copyfile(Path(folder) / trace.name, trace)
        digest = hashlib.sha256(trace.read_bytes()).hexdigest()
        manifest = Manifest(
            status="complete", cell=facts, steps_written=5616, trace_sha256=digest, provenance={"host": host}
        )
        write_manifest(manifest_path(trace), manifest)
