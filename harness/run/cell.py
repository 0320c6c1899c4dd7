"""A cell: one network trained by one pipeline on one backend, with everything that is off its default in its name."""

from dataclasses import dataclass

from harness.spec.models import Model
from harness.spec.run_config import DEFAULT_RUN, RunConfig, cell_name


@dataclass(frozen=True)
class Cell:
    """Identity of a run."""

    model: Model
    pipeline: str
    backend: str
    run: RunConfig = DEFAULT_RUN

    @property
    def name(self) -> str:
        """Stem of the cell's files: `mnist_cnn.phase3-noshuf-rocm`, then a suffix for whatever is off its default."""
        return cell_name(self.model.name, self.pipeline, self.backend, self.run, self.model.resized)

    @property
    def suffix(self) -> str:
        """The part of the name that tells variants of one model apart, `.b2.f64.s43.published.eager`, or nothing."""
        return self.model.resized + self.run.suffix
