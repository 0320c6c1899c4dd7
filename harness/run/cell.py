"""A cell: one network trained by one pipeline on one backend, with everything that is off its default in its name."""

from dataclasses import dataclass

from harness.spec.models import Model
from harness.spec.netspec import DType
from harness.trace.manifest import CellFacts

DEFAULT_INIT_SEED = 42

# What a pipeline of this project consists of: how the gradient is derived, and what compiles it. The two diagonals of
# this 2x2 factorial are the pipelines and the controls.
FACTORS = {
    "phase2": ("autodiff", "XLA"),
    "phase2-iree": ("autodiff", "IREE"),
    "phase3-xla": ("by hand", "XLA"),
    "phase3": ("by hand", "IREE"),
}
_CONTROLS = ("phase2-iree", "phase3-xla")
EDGES = ("same-derivation", "same-compiler")


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
    def suffix(self) -> str:
        """The part of the name that tells variants of one model apart, `.b2.f64.s43.published.eager`, or nothing."""
        parts = [
            self.dtype if self.dtype != "f32" else "",
            f"s{self.init_seed}" if self.init_seed != DEFAULT_INIT_SEED else "",
            self.profile if self.profile != "shared" else "",
            "eager" if self.eager else "",
        ]
        return self.model.resized + "".join(f".{part}" for part in parts if part)


def relation(a: CellFacts, b: CellFacts, same_host: bool = True) -> str | None:
    """What a pair of cells tells: which single factor differs, or None when several do.

    Two hosts are two platforms, whatever their backends. Only phase 2 can be eager, so that between pipelines this is
    no factor of its own. A control is there for its factorial alone, and pairs with the two runs beside it.
    """
    same_place = same_host and a.backend == b.backend
    if not {a.pipeline, b.pipeline}.isdisjoint(_CONTROLS):
        return _edge(a.pipeline, b.pipeline) if same_place else None
    if same_place and a.pipeline == b.pipeline:
        return "cross-mode" if a.eager != b.eager else None
    if same_place:
        return "cross-compiler"
    if a.pipeline == b.pipeline and a.eager == b.eager:
        return "cross-vendor" if "phase3" in a.pipeline else "cross-platform"
    return None


def _edge(a: str, b: str) -> str | None:
    """The factor that two pipelines of the factorial share; None for the same one, a diagonal or somebody else's."""
    if a == b or a not in FACTORS or b not in FACTORS:
        return None
    return next((edge for edge, x, y in zip(EDGES, FACTORS[a], FACTORS[b], strict=True) if x == y), None)
