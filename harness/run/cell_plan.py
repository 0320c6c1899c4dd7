"""A cell ready to run: a command, its environment, its limits and where its two files go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.trace.manifest import CellFacts

DEFAULT_TIMEOUT_S = 24 * 3600.0


@dataclass(frozen=True)
class CellPlan:
    """A cell ready to run. `environment` comes on top of this process's own.

    `planned_steps` None: those of the trace's header.
    `obeys_step_limit`: False for programs that may not know LEAN_MLIR_MAX_STEPS. They are stopped when the trace goes
    beyond the planned steps, or when they have not ended `linger_s` after the last one (a program that does know the
    limit measures its accuracy in that time).
    `timeout_s`: for all of the run; `stall_s`: without a new step. `facts`: the identity that the manifest records.
    `inputs`: digests that the trace's header holds when the run began with the inputs it was given.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    planned_steps: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    stall_s: float | None = None
    obeys_step_limit: bool = True
    linger_s: float = 60.0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    facts: CellFacts | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """Name of the backend; without facts it is the CPU."""
        return "cpu" if self.facts is None else self.facts.backend

    @property
    def pipeline(self) -> str:
        """Name of the pipeline, empty when it is not known."""
        return "" if self.facts is None else self.facts.pipeline

    @property
    def trace(self) -> Path:
        """The trace of a complete run."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def partial(self) -> Path:
        """The trace while the program runs, and what is left of one that did not complete."""
        return self.folder / f"{self.name}.partial.jsonl"

    @property
    def manifest(self) -> Path:
        """Manifest of the run."""
        return self.folder / f"{self.name}.manifest.json"
