"""Cells that somebody names, each found whole: its trace is the one that its manifest describes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import TraceError
from harness.trace.format import Trace, one_line
from harness.trace.manifest import manifest_path
from harness.trace.reader import read_trace
from harness.trace.store import MANIFEST_SUFFIX, TRACE_SUFFIXES, StoredCell, shelved

_EVIDENCE = "evidence"


def intact_cells(paths: Sequence[Path]) -> list[StoredCell]:
    """The cells of traces, manifests and folders, each once and checked; the root of one is the folder that was named.

    Raises: TraceError when a cell is damaged, or there is none.
    """
    cells: dict[Path, StoredCell] = {}
    for path in paths:
        root = path if path.is_dir() else path.parent.parent if path.parent.name == _EVIDENCE else path.parent
        for manifest in _manifests(path):
            if manifest.resolve() not in cells:
                cells[manifest.resolve()] = cell = shelved(manifest, root)
                if manifest_path(cell.trace) != manifest:  # `a.partial.manifest.json`
                    raise TraceError(f"{one_line(manifest)}: no name for a manifest; its trace would have another's.")
                read_intact(cell)
    if not cells:
        raise TraceError(f"{', '.join(map(one_line, paths))}: no cell there; expected traces with manifests.")
    return list(cells.values())


def read_intact(cell: StoredCell) -> Trace | None:
    """A cell's trace, None when it left none. Raises: TraceError when it is not the one that the manifest describes."""
    expected = cell.manifest.trace_sha256
    where = one_line(cell.trace)
    if not cell.trace.is_file():
        if expected is not None or cell.complete:
            raise TraceError(f"{where}: is not there, and its manifest tells of it. Run the cell again.")
        return None
    trace = read_trace(cell.trace, with_digest=True)
    if trace.sha256 != expected:
        raise TraceError(
            f"{where}: SHA-256 {trace.sha256}; its manifest says {one_line(expected or 'nothing')}. Run the cell again."
        )
    if cell.complete and cell.trace.name.endswith(".partial.jsonl"):
        raise TraceError(f"{where}: the rest of a run; its manifest says that the run is complete.")
    return trace


def visible(folder: Path, pattern: str) -> list[Path]:
    """What is below a folder and in no hidden one: those are of whoever still writes them."""
    found = sorted(folder.rglob(pattern))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _manifests(path: Path) -> Iterator[Path]:
    """The manifests that a path stands for."""
    where = one_line(path)
    if path.is_dir():
        yield from (found for found in visible(path, f"*{MANIFEST_SUFFIX}") if found.is_file())
        return
    if not path.is_file():
        raise TraceError(f"{where}: no such file or folder; expected a trace, a manifest or a folder of cells.")
    manifest = path if path.name.endswith(MANIFEST_SUFFIX) else manifest_path(path)
    if not (path == manifest or path.name.endswith(TRACE_SUFFIXES)):
        raise TraceError(f"{where}: expected a trace (.jsonl, .jsonl.gz), a manifest or a folder of cells.")
    if not manifest.is_file():
        raise TraceError(f"{where}: no manifest beside it; expected a whole cell.")
    yield manifest
