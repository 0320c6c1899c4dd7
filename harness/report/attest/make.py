"""Writes the statements of cells and of a verdict into a folder."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AttestationError, TraceError
from harness.report.attest.statement import (
    SUFFIX,
    Document,
    Subject,
    cell_statement,
    encode_statement,
    verdict_statement,
)
from harness.system.files import replace_file
from harness.system.text import escape_control
from harness.trace.manifest import manifest_path
from harness.trace.store import MANIFEST_SUFFIX, StoredCell, verify_digests

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner


@dataclass(frozen=True)
class Written:
    """Paths of statements, and a line for each cell that has none although it left a trace."""

    paths: tuple[Path, ...]
    left_out: tuple[str, ...]


def write_statements(
    folder: Path,
    cells: Sequence[StoredCell],
    verdict: Path | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    signer: "CryptoSigner | None" = None,
) -> Written:
    """Write a statement of each cell with the trace of its manifest, and of the verdict on all traces.

    A file's name in a statement is its path from the folder that `folder` is in or, when it is not below that, from the
    working folder, else from the root of its cell: no statement tells about the machine. `parameters`: how pairs were
    judged.

    Raises: OSError.
    """
    told: dict[str, Document] = {}
    traces: list[Subject] = []
    left_out: list[str] = []
    for cell in cells:
        if cell.trace.is_file():
            manifest = manifest_path(cell.trace)
            trace, beside = (_subject(path, folder, cell.root) for path in (cell.trace, manifest))
            traces.append(Subject(escape_control(trace.name), trace.sha256))
            try:
                if (read := verify_digests(cell)) is not None:
                    name = _free(beside.name.removesuffix(MANIFEST_SUFFIX), told)
                    told[name] = cell_statement(cell, read.header, [trace, beside])
            except (TraceError, AttestationError) as error:
                left_out.append(str(error))
    if verdict is not None:
        subject = _subject(verdict, folder, verdict.parent)
        told[_free(Path(subject.name).stem, told)] = verdict_statement(subject, traces, parameters or {})
    paths = tuple(_write(folder / f"{name}{SUFFIX}", document, signer) for name, document in told.items())
    return Written(paths, tuple(left_out))


def _subject(path: Path, folder: Path, root: Path) -> Subject:
    with path.open("rb") as file:
        return Subject(_name(path, folder, root), hashlib.file_digest(file, "sha256").hexdigest())


def _name(path: Path, folder: Path, root: Path) -> str:
    for above in (folder.resolve().parent, Path.cwd()):
        if path.resolve().is_relative_to(above):
            return path.resolve().relative_to(above).as_posix()
    return path.relative_to(root).as_posix()


def _free(name: str, taken: Mapping[str, Document]) -> str:
    """A name for a statement: cells of two folders elsewhere may have one name."""
    names = (name if n == 1 else f"{name}.{n}" for n in itertools.count(1))
    return next(free for free in names if free not in taken)


def _write(path: Path, document: Document, signer: "CryptoSigner | None") -> Path:
    text = encode_statement(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    if signer is not None:
        from harness.report.attest.signature import sign  # here: what signs comes with an extra

        text = sign(text, signer)
    with replace_file(path) as file:
        file.write(text)
    return path
