"""Cells that need not run again: those of a finished run that equal the planned ones."""

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.provenance import scrub_tree
from harness.trace.manifest import CellFacts, Manifest, read_manifest
from harness.trace.reader import read_trace
from harness.trace.segments import segments_path

_ENDED = ("complete", "crashed")  # one that was stopped might have come to its end
_OF_THE_COMPILATION = ("compile_s", "compile_cached")  # how long it took says nothing about its result


def find_ended(plan: CellPlan) -> Manifest | None:
    """The manifest that a run of this cell left when it ended, with whatever program, None when there is none."""
    try:
        manifest = read_manifest(plan.manifest)
    except TraceError:
        return None
    is_it = manifest.status in _ENDED and _identity(manifest.cell) == _identity(plan.facts)
    return manifest if is_it and not manifest.contradictions else None


def _identity(facts: CellFacts | None) -> CellFacts | None:
    """The facts without the command that runs it again, in which paths look otherwise from another folder."""
    return None if facts is None else msgspec.structs.replace(facts, command="")


def find_kept(plan: CellPlan) -> Manifest | None:
    """The manifest of a run of exactly this plan that has ended, None when the cell has to run.

    The same program, versions, processor, environment and inputs, and a trace that is the one of the manifest.
    """
    try:
        manifest = find_ended(plan)
        if manifest is None:
            return None
        if _comparable(manifest.provenance) != _comparable(scrub_tree(plan.provenance)):
            return None
        return manifest if manifest.status != "complete" or _has_its_trace(plan, manifest) else None
    except TraceError:
        return None


def _has_its_trace(plan: CellPlan, manifest: Manifest) -> bool:
    follows = plan.facts is not None and plan.facts.follows is not None
    if follows and not segments_path(plan.trace).exists():
        return False  # killed before what was compared had been written
    trace = read_trace(plan.trace, with_digest=True, allow_parts=True)
    if trace.sha256 != manifest.trace_sha256 or plan.planned_steps not in (None, trace.steps):
        return False
    return all(getattr(trace.header, name) in (None, digest) for name, digest in plan.inputs.items())


def _comparable(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in provenance.items() if name not in _OF_THE_COMPILATION}
