"""The relation of two cells: the one factor in which they differ."""

from harness.run.pipelines import PIPELINES
from harness.trace.manifest import CellFacts

CROSS_TIME = "cross-time"
EDGES = ("same-derivation", "same-compiler")


def relation(a: CellFacts, b: CellFacts, same_host: bool = True) -> str | None:
    """Name of the single factor in which a pair of cells differs, None when several do.

    Two hosts are two platforms, whatever their backends. Only phase 2 can be eager, so that between pipelines this is
    no factor of its own. A control serves its factorial only, and pairs with the two pipelines that differ from it in
    one factor; so does the pipeline without a compiler. A pipeline of another revision of the generator,
    `phase2@1a2b3c4`, pairs with itself alone.
    """
    same_place = same_host and a.backend == b.backend
    if "@" in a.pipeline or "@" in b.pipeline:
        same_pipeline = a.pipeline.partition("@")[0] == b.pipeline.partition("@")[0]
        return CROSS_TIME if same_place and same_pipeline and a.eager == b.eager else None
    if any(name in PIPELINES and PIPELINES[name].role != "main" for name in (a.pipeline, b.pipeline)):
        return _edge(a.pipeline, b.pipeline) if same_place else None
    if same_place and a.pipeline == b.pipeline:
        return "cross-mode" if a.eager != b.eager else None
    if same_place:
        return "cross-compiler"
    if a.pipeline == b.pipeline and a.eager == b.eager:
        return "cross-vendor" if "phase3" in a.pipeline else "cross-platform"
    return None


def _edge(a: str, b: str) -> str | None:
    """The factor that two runs of a factorial share; None for one run, for none in common, or a foreign pipeline."""
    if a == b or a not in PIPELINES or b not in PIPELINES:
        return None
    if PIPELINES[a].derivation == PIPELINES[b].derivation:
        return "same-derivation"
    return "same-compiler" if PIPELINES[a].compiler == PIPELINES[b].compiler else None
