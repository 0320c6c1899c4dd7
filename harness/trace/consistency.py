"""The facts that manifest, trace and name give of one run, held to each other: files get mixed up and replaced."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.trace.format import Trace, one_line
from harness.trace.manifest import Manifest, manifest_path
from harness.trace.spelling import usual_dtype

# A file name that claims to be of a cell: model, pipeline, order, backend, and whatever is off its default.
_CLAIMS_A_CELL = re.compile(r"[^.]+\.[^.-]+(-[^.-]+)*-(no)?shuf-[^.-]+(\..+)?")
# Facts that the runner notes in the provenance and that the program writes into its header.
_NOTED = ("netspec_name", "netspec_hash", "init_sha256", "data_sha256", "emitted_sha256")
_EVIDENCE = "evidence"
_PARTIAL = ".partial.jsonl"


def find_contradictions(path: Path, trace: Trace, manifest: Manifest) -> tuple[str, ...]:
    """A line for each fact that the files of a run give in two ways: the key and both values.

    What only one of them says is unknown and no contradiction. `path`: of the trace.
    """
    return (*_of_names(path, manifest), *_of_headers(trace, manifest), *_of_steps(trace, manifest))


def _of_names(path: Path, manifest: Manifest) -> Iterator[str]:
    """Where the files lie and what they are called, against the manifest."""
    stem = manifest_path(path).name.removesuffix(".manifest.json")
    rest = one_line(stem + _PARTIAL)
    if manifest.status == "complete":
        if path.name.endswith(_PARTIAL):
            yield "status is complete in the manifest, and the trace is named as the rest of a run"
        elif path.with_name(stem + _PARTIAL).exists():
            yield f"status is complete in the manifest, and {rest} lies beside it, the rest of a run"
    facts = manifest.cell
    if facts is None:
        return
    if _CLAIMS_A_CELL.fullmatch(stem) and stem != facts.name:
        yield f"name is {one_line(facts.name)} in the manifest and {one_line(stem)} in the folder"
    if path.absolute().parent.name == _EVIDENCE and not facts.evidence:
        yield f"evidence is false in the manifest, and the files lie in {_EVIDENCE}/"


def _of_headers(trace: Trace, manifest: Manifest) -> Iterator[str]:
    """The header, against the cell's facts and what the runner noted."""
    header, facts, noted = trace.header, manifest.cell, manifest.provenance
    pairs: dict[str, tuple[Any, Any]] = {name: (noted.get(name), getattr(header, name)) for name in _NOTED}
    if facts is not None:
        pairs |= {name: (getattr(facts, name), getattr(header, name)) for name in ("backend", "dtype", "shuffle")}
        pairs["batch_size"] = facts.batch_size, header.config.get("batch_size")
        pairs["eager"] = facts.eager, None if header.jit is None else not header.jit
        if "command_sha256" not in noted:  # the name of somebody else's command is the user's choice
            # The program of another revision of the generator does not know that it is one.
            pairs["pipeline"] = facts.pipeline.partition("@")[0], header.pipeline
    for key, (told, traced) in pairs.items():
        if told is not None and traced is not None and _usual(key, told) != _usual(key, traced):
            yield f"{key} is {one_line(told)} in the manifest and {one_line(traced)} in the trace"


def _of_steps(trace: Trace, manifest: Manifest) -> Iterator[str]:
    """The planned steps, against those of a trace that is said to be whole."""
    asked = None if manifest.cell is None else manifest.cell.steps
    planned = manifest.provenance.get("planned_steps")
    if manifest.status != "complete":
        return
    if planned is not None and planned != trace.steps:
        yield f"planned_steps is {one_line(planned)} in the manifest, and the trace has {trace.steps} steps"
    elif asked is not None and asked < trace.steps:
        yield f"steps is {asked} in the manifest, and the trace has {trace.steps} steps"


def _usual(key: str, value: Any) -> Any:
    """A value in the spelling in which both sides of a key can be compared."""
    if not isinstance(value, str) or key in ("netspec_name", "pipeline"):
        return value
    return usual_dtype(value) if key == "dtype" else value.lower()
