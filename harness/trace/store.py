"""Cells on disk: the two files that a run left, wherever it ran, and their digests, for all that reads several."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import TraceError
from harness.trace.format import Trace, one_line
from harness.trace.known_trouble import trouble_by_id
from harness.trace.manifest import CellFacts, Manifest, manifest_path, read_manifest
from harness.trace.reader import read_trace
from harness.trace.recording import Recording, read_recording

MANIFEST_SUFFIX = ".manifest.json"
TRACE_SUFFIXES = (".jsonl", ".jsonl.gz")
_EVIDENCE = "evidence"


@dataclass(frozen=True, eq=False)
class StoredCell:
    """A cell by its two files; no two are equal. `root`: the folder that paths in reports are relative to."""

    facts: CellFacts
    manifest: Manifest
    trace: Path
    root: Path

    @property
    def name(self) -> str:
        """Stem of the cell's files."""
        return manifest_path(self.trace).name.removesuffix(MANIFEST_SUFFIX)

    @property
    def short_name(self) -> str:
        """Name among the cells of one network on one host: `phase3-rocm`."""
        return self.facts.short_name

    @property
    def host(self) -> str:
        """Name of the host by the manifest; empty when it has none."""
        return str(self.manifest.provenance.get("host") or "")

    @property
    def complete(self) -> bool:
        """True if it ran to its end, by a manifest that does not contradict itself."""
        return self.manifest.status == "complete" and not self.manifest.contradictions

    @property
    def counts(self) -> bool:
        """True if a result without its end is inconclusive."""
        return self.facts.asked or not self.facts.absent

    @property
    def note(self) -> str:
        """Reason and known trouble of a cell that is not complete, as tables print them; empty for others."""
        manifest = self.manifest
        if self.complete:
            return ""
        if manifest.contradictions:
            return f"its manifest says complete, and {'; '.join(manifest.contradictions)}"
        note = f"{manifest.status}: {manifest.reason}" if not self.facts.absent else manifest.reason or ""
        said = manifest.stderr_tail.split("\n")
        if manifest.exit_code and (last := next((line for line in reversed(said) if line.strip()), "")):
            note += f" ({one_line(last.strip())})"
        if manifest.known_trouble is not None:
            trouble = trouble_by_id(manifest.known_trouble)
            told = (manifest.known_trouble, "") if trouble is None else (trouble.ticket, f": {trouble.workaround}")
            note += f"; known trouble ({told[0]}){told[1]}"
        return note

    @property
    def relative(self) -> str:
        """The trace's path as reports show it: they tell nothing about the machine."""
        return os.path.relpath(self.trace, self.root)

    def read(self, *, with_lines: bool = False, allow_parts: bool = False) -> Recording:
        """Its trace and manifest, with the path that reports show; the rest as for `read_recording`.

        Raises: TraceError, which shows no other path.
        """
        try:
            found = read_recording(self.trace, with_lines=with_lines, allow_parts=allow_parts)
        except TraceError as error:
            raise TraceError(str(error).replace(one_line(self.trace), self.relative)) from None
        return replace(found, trace=replace(found.trace, path=self.relative))


@dataclass(frozen=True)
class Store:
    """All cells of some folders. `problems`: a line for each file that could not be made sense of."""

    cells: tuple[StoredCell, ...]
    problems: tuple[str, ...] = ()


def read_store(folders: Sequence[Path], skipped: Collection[Path] = ()) -> Store:
    """Find every cell below the folders once, in the order of their paths; not in those that are skipped.

    A manifest without facts about its cell is a problem, and so is a trace without manifest.

    Raises: TraceError when a folder is none.
    """
    cells: list[StoredCell] = []
    problems = []
    seen: set[Path] = set()  # of folders that lie in each other, or are given twice
    runs: set[tuple[str, str] | None] = set()  # of copies
    for folder in folders:
        if not folder.is_dir():
            raise TraceError(f"{one_line(folder)}: not a folder; expected one with cells.")
        for path in _files(folder, skipped):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            where = one_line(os.path.relpath(path, folder))
            if not path.is_file():
                problems.append(f"{where}: not a regular file.")
                continue
            if path.name.endswith(MANIFEST_SUFFIX):
                try:
                    cell = read_cell(path, folder)
                    if (run := _run_of(cell)) not in runs:
                        cells.append(cell)
                    runs |= {run} - {None}
                except TraceError as error:
                    problems.append(str(error).replace(one_line(path), where))
            elif path.name.endswith(TRACE_SUFFIXES) and not manifest_path(path).is_file():
                problems.append(f"{where}: a trace without manifest: whatever ran it was killed, or it is no cell.")
    return Store(tuple(cells), tuple(problems))


def read_cell(path: Path, root: Path) -> StoredCell:
    """Read the cell of a manifest. Raises: TraceError."""
    manifest = read_manifest(path)
    if manifest.cell is None:
        raise TraceError(f"{one_line(path)}:1: says nothing about its cell; expected `cell`. Run it again.")
    stem = path.name.removesuffix(MANIFEST_SUFFIX)
    traces = [path.with_name(stem + suffix) for suffix in (".jsonl", ".jsonl.gz", ".partial.jsonl")]
    trace = next((trace for trace in traces if trace.is_file()), traces[0])
    return StoredCell(manifest.cell, manifest, trace, root)


def verified_cells(paths: Sequence[Path], *, required: bool = True) -> list[StoredCell]:
    """Read the cells of traces, manifests and folders once each, and verify their digests.

    The root of a cell is the folder that was named.

    Raises: TraceError when a cell is damaged, or one is required and there is none.
    """
    cells: dict[Path, StoredCell] = {}
    for path in paths:
        root = path if path.is_dir() else path.parent.parent if path.parent.name == _EVIDENCE else path.parent
        for manifest in _manifests(path):
            if manifest.resolve() not in cells:
                cells[manifest.resolve()] = cell = read_cell(manifest, root)
                if manifest_path(cell.trace) != manifest:  # `a.partial.manifest.json`
                    raise TraceError(f"{one_line(manifest)}: no name for a manifest; its trace would have another's.")
                verify_digests(cell)
    if required and not cells:
        raise TraceError(f"{', '.join(map(one_line, paths))}: no cell there; expected traces with manifests.")
    return list(cells.values())


def verify_digests(cell: StoredCell) -> Trace | None:
    """Read a cell's trace and hold its SHA-256 to the manifest's; None when it left no trace.

    Raises: TraceError when the trace is not the one that the manifest describes.
    """
    expected = cell.manifest.trace_sha256
    where = one_line(cell.trace)
    if not cell.trace.is_file():
        if expected is not None or cell.manifest.status == "complete":
            raise TraceError(f"{where}: is not there, and its manifest tells of it. Run the cell again.")
        return None
    trace = read_trace(cell.trace, with_digest=True, allow_parts=True)
    if trace.sha256 != expected:
        raise TraceError(
            f"{where}: SHA-256 {trace.sha256}; its manifest says {one_line(expected or 'nothing')}. Run the cell again."
        )
    if cell.manifest.status == "complete" and cell.trace.name.endswith(".partial.jsonl"):
        raise TraceError(f"{where}: the rest of a run; its manifest says that the run is complete.")
    return trace


def visible(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder and in no hidden one: those are of whoever still writes them."""
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


def _run_of(cell: StoredCell) -> tuple[str, str] | None:
    """Identity that two copies of a cell share: the digest of a trace is also one of how long its steps took."""
    sha256 = cell.manifest.trace_sha256
    return None if sha256 is None else (f"{cell.host} {cell.name} {cell.facts}", sha256)


def _files(folder: Path, skipped: Collection[Path]) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if Path(parent) in skipped:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # those are not finished
        yield from (Path(parent) / name for name in sorted(files) if not name.startswith("."))
