"""Cells on disk: what a run left, wherever it ran, for everything that reads more than one of them."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import TraceError
from harness.trace.format import one_line
from harness.trace.known_trouble import trouble_by_id
from harness.trace.manifest import CellFacts, Manifest, manifest_path, read_manifest
from harness.trace.recording import Recording, read_recording

MANIFEST_SUFFIX = ".manifest.json"
TRACE_SUFFIXES = (".jsonl", ".jsonl.gz")


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
        """How the manifest names the host; empty when it does not."""
        return str(self.manifest.provenance.get("host") or "")

    @property
    def complete(self) -> bool:
        """Whether it ran to its end."""
        return self.manifest.status == "complete"

    @property
    def counts(self) -> bool:
        """Whether a missing end of it makes a result inconclusive."""
        return self.facts.asked or not self.facts.absent

    @property
    def note(self) -> str:
        """What a table says of a cell that is not complete."""
        manifest = self.manifest
        if self.complete:
            return ""
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

    def read(self, *, with_lines: bool = False) -> Recording:
        """Its trace and manifest, with the path that reports show. Raises: TraceError, which shows no other."""
        try:
            found = read_recording(self.trace, with_lines=with_lines)
        except TraceError as error:
            raise TraceError(str(error).replace(one_line(self.trace), self.relative)) from None
        return replace(found, trace=replace(found.trace, path=self.relative))


@dataclass(frozen=True)
class Shelf:
    """Everything that lies in some folders. `problems`: a line for each file that could not be made sense of."""

    cells: tuple[StoredCell, ...]
    problems: tuple[str, ...] = ()


def read_shelf(folders: Sequence[Path], skipped: Collection[Path] = ()) -> Shelf:
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
                    cell = shelved(path, folder)
                    if (run := _run_of(cell)) not in runs:
                        cells.append(cell)
                    runs |= {run} - {None}
                except TraceError as error:
                    problems.append(str(error).replace(one_line(path), where))
            elif path.name.endswith(TRACE_SUFFIXES) and not manifest_path(path).is_file():
                problems.append(f"{where}: a trace without manifest: whatever ran it was killed, or it is no cell.")
    return Shelf(tuple(cells), tuple(problems))


def shelved(path: Path, root: Path) -> StoredCell:
    """The cell of a manifest. Raises: TraceError."""
    manifest = read_manifest(path)
    if manifest.cell is None:
        raise TraceError(f"{one_line(path)}:1: says nothing about its cell; expected `cell`. Run it again.")
    stem = path.name.removesuffix(MANIFEST_SUFFIX)
    traces = [path.with_name(stem + suffix) for suffix in (".jsonl", ".jsonl.gz", ".partial.jsonl")]
    trace = next((trace for trace in traces if trace.is_file()), traces[0])
    return StoredCell(manifest.cell, manifest, trace, root)


def _run_of(cell: StoredCell) -> tuple[str, str] | None:
    """What two copies of a cell share: the digest of a trace is also one of how long its steps took."""
    sha256 = cell.manifest.trace_sha256
    return None if sha256 is None else (f"{cell.host} {cell.name} {cell.facts}", sha256)


def _files(folder: Path, skipped: Collection[Path]) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if Path(parent) in skipped:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # those are not finished
        yield from (Path(parent) / name for name in sorted(files) if not name.startswith("."))
