"""Recording of a cell, read back: its trace and, where there is one, its manifest."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import TraceError
from harness.trace.consistency import find_contradictions
from harness.trace.format import Trace, one_line
from harness.trace.manifest import Manifest, manifest_path, read_manifest
from harness.trace.reader import read_trace

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_WORTH_PROCESSES = 16_000_000  # bytes; below it a second process takes longer to start than it saves


@dataclass(frozen=True)
class Recording:
    """One run as its two files hold it. `contradictions`: a line for each fact that they, or their name, give two ways.

    The backend in the trace's header is the manifest's, where that tells of a cell: it knows what ran the program, and
    the program may be wrong about it.
    """

    trace: Trace
    manifest: Manifest | None = None
    contradictions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File name of the trace without its suffixes."""
        return recording_name(self.trace.path)


def recording_name(path: str | Path) -> str:
    """File name of a trace without its suffixes."""
    return Path(path).name.removesuffix(".gz").removesuffix(".jsonl")


def read_recording(
    path: str | Path,
    *,
    with_lines: bool = False,
    allow_truncated: bool = False,
    allow_parts: bool = False,
    allow_foreign: bool = False,
) -> Recording:
    """Read a trace and the manifest beside it. The options are those of `read_trace`.

    Raises: TraceError `file:line: what`.
    """
    beside = manifest_path(path)
    manifest = read_manifest(beside) if os.path.isfile(beside) else None  # noqa: PTH113 - a name may be too long
    with_digest = manifest is not None and manifest.trace_sha256 is not None
    trace = read_trace(
        path,
        allow_truncated=allow_truncated,
        allow_parts=allow_parts,
        allow_foreign=allow_foreign,
        with_lines=with_lines,
        with_digest=with_digest,
    )
    if manifest is None:
        return Recording(trace)
    contradictions = find_contradictions(Path(path), trace, manifest)
    if manifest.cell is not None:
        trace = replace(trace, header=msgspec.structs.replace(trace.header, backend=manifest.cell.backend))
    return Recording(trace, manifest, contradictions)


def read_recordings(paths: Sequence[str]) -> list[Recording | TraceError]:
    """Read several recordings, large ones in several processes; a file that cannot be read gives its error."""
    sizes = [os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths]  # noqa: PTH113, PTH202
    workers = min(len(paths), os.cpu_count() or 1) if sum(sizes) >= _WORTH_PROCESSES else 1
    readers = [_ReaderProcess(paths[first::workers]) for first in range(1, workers)]
    found: dict[str, Recording | TraceError] = {path: _read_or_error(path) for path in paths[::workers]}
    for reader in readers:
        found |= reader.receive()
    return [found[path] for path in paths]


class _ReaderProcess:
    """A process that reads recordings and sends them through a pipe, the columns as they lie in memory."""

    def __init__(self, paths: Sequence[str]) -> None:
        import multiprocessing  # here, because short comparisons do without

        self.paths = paths
        self.pipe, child_end = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=_send_recordings, args=(paths, child_end), daemon=True)
        self.process.start()
        child_end.close()

    def receive(self) -> dict[str, Recording | TraceError]:
        """Wait for everything. What a process that died did not send gives errors."""
        found: dict[str, Recording | TraceError] = {}
        with self.pipe, open(self.pipe.fileno(), "rb", closefd=False) as stream:
            for path in self.paths:
                try:
                    columns = [stream.read(size) for size in pickle.load(stream)]
                    found[path] = pickle.load(stream, buffers=columns)
                except (EOFError, pickle.UnpicklingError):
                    found[path] = TraceError(f"{one_line(path)}:1: cannot be read: the process reading it died.")
        self.process.join()
        return found


def _send_recordings(paths: Sequence[str], pipe: "Connection") -> None:
    with open(pipe.fileno(), "wb", closefd=False) as stream:
        for path in paths:
            columns: list[pickle.PickleBuffer] = []
            rest = pickle.dumps(_read_or_error(path), protocol=5, buffer_callback=columns.append)
            stream.write(pickle.dumps([column.raw().nbytes for column in columns]))
            stream.writelines([*(column.raw() for column in columns), rest])


def _read_or_error(path: str) -> Recording | TraceError:
    try:
        return read_recording(path, allow_foreign=True)
    except TraceError as error:
        return error
