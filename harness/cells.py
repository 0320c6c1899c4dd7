"""A cell: one network trained by one pipeline on one backend, with everything that is off its default in its name."""

from dataclasses import dataclass

from harness.models import Model
from harness.spec import DType

DEFAULT_INIT_SEED = 42


@dataclass(frozen=True)
class Cell:
    """What tells one run from another. `eager`: without just-in-time compilation."""

    model: Model
    pipeline: str
    backend: str
    dtype: DType = "f32"
    init_seed: int = DEFAULT_INIT_SEED
    profile: str = "shared"
    shuffle: bool = False
    eager: bool = False

    @property
    def name(self) -> str:
        """Stem of the cell's files: `mnist_cnn.phase3-noshuf-rocm`, then a suffix for whatever is off its default."""
        order = "shuf" if self.shuffle else "noshuf"
        return f"{self.model.name}.{self.pipeline}-{order}-{self.backend}{self.suffix}"

    @property
    def short_name(self) -> str:
        """Name among the cells of one verification: `phase3-rocm`."""
        return f"{self.pipeline}-{self.backend}{'.eager' if self.eager else ''}"

    @property
    def suffix(self) -> str:
        """The part of the name that tells variants of one model apart, `.b2.f64.s43.published.eager`, or nothing."""
        parts = [
            self.dtype if self.dtype != "f32" else "",
            f"s{self.init_seed}" if self.init_seed != DEFAULT_INIT_SEED else "",
            self.profile if self.profile != "shared" else "",
            "eager" if self.eager else "",
        ]
        return self.model.resized + "".join(f".{part}" for part in parts if part)


def relation(a: Cell, b: Cell) -> str | None:
    """What a pair of cells tells: which single factor differs, or None when several do.

    Only phase 2 can be eager, so that between pipelines this is no factor of its own.
    """
    if a.backend == b.backend and a.pipeline == b.pipeline:
        return "cross-mode" if a.eager != b.eager else None
    if a.backend == b.backend:
        return "cross-compiler"
    if a.pipeline == b.pipeline and a.eager == b.eager:
        return "cross-vendor" if "phase3" in a.pipeline else "cross-platform"
    return None
