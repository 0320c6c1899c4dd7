"""Cells of the reference traces' tests: what they say of their environment, and a run that they are of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.trace.store import StoredCell
from tests.support.stored_cells import store

MODEL = "mnist_mlp"
NAME = f"{MODEL}.phase2-noshuf-cpu"
KEY = "cpu-avx512-jaxlib-0.10.2"
LOSSES = [2.0 / (k + 1) for k in range(20)]
CLOSE = [loss * (1 + 1e-7) for loss in LOSSES]
FAR = [*LOSSES[:2], *(loss * 1.5 for loss in LOSSES[2:])]
VERSIONS = {"iree-base-compiler": "3.13.0", "iree-base-runtime": "3.13.0", "jax": "0.10.2", "jaxlib": "0.10.2"}
PROVENANCE: dict[str, Any] = {
    "versions": VERSIONS,
    "python": "3.11.7",
    "cpu": "some processor",
    "cpu_count": 2,
    "cpu_features": ["avx", "avx2", "avx512f", "fma", "sse4_2"],
    "device": "CPU",
    "driver": None,
    "environment": {"LEAN_MLIR_MAX_STEPS": "20"},
    "compiler": "XLA",
}
ON_IREE = {"compiler": "iree-compile 3.13.0", "compiler_flags": ["--x", "--iree-llvmcpu-target-cpu=host"]}


def a_cell(
    folder: Path,
    losses: Sequence[float] = LOSSES,
    *,
    model: str = MODEL,
    pipeline: str = "phase2",
    told: dict[str, Any] | None = None,
    **keys: Any,
) -> StoredCell:
    """A complete cell; `told` changes its provenance, other keys are those of `store`."""
    of_pipeline = ON_IREE if pipeline == "phase3" else {}
    provenance = PROVENANCE | of_pipeline | (told or {})
    return store(folder, pipeline, losses, model=model, provenance=provenance, **keys)


def bumped(**versions: str) -> dict[str, Any]:
    """Changes of a provenance with a bump: `jaxlib="0.11.0"`, dashes as underscores."""
    return {"versions": VERSIONS | {name.replace("_", "-"): version for name, version in versions.items()}}
