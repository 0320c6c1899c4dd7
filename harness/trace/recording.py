"""Recording of a cell, read back: its trace and, where there is one, its manifest."""

import os
import pickle
import re
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import TraceError
from harness.trace.consistency import find_contradictions
from harness.trace.foreign import BOM
from harness.trace.format import Trace, one_line
from harness.trace.logs.keys import LogKeys
from harness.trace.manifest import Manifest, manifest_path, read_manifest
from harness.trace.reader import open_trace, read_trace

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_File = tuple[str, LogKeys]
EVENTS = "events.out.tfevents."  # how TensorBoard's files begin to be called
_HEAD = 1 << 16  # bytes
_KIND = re.compile(rb'"kind"\s*:\s*"(header|step)"')
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


def read_foreign(path: str | Path, keys: LogKeys | None = None) -> Recording:
    """Read a trace that need not keep to the letter of the format, or the log of another tool.

    `keys`: what a log's reader has to be told. Raises: TraceError.
    """
    if _may_be_trace(path):
        return read_recording(path, allow_foreign=True)
    from harness.trace.logs.read import read_log  # here, because traces do without

    return Recording(read_log(path, keys or LogKeys()))


def _may_be_trace(path: str | Path) -> bool:
    """Whether a file begins with JSON that names its kind, or has no beginning that can be read."""
    if os.path.isdir(path) and any(name.startswith(EVENTS) for name in os.listdir(path)):  # noqa: PTH112, PTH208 - likewise
        return False
    if not os.path.isfile(path):  # noqa: PTH113 - a name may be too long
        return True
    try:
        with open_trace(path) as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return True
    begins = head.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")
    return not head or (begins and _KIND.search(head) is not None)


def read_recordings(paths: Sequence[str], keys: Sequence[LogKeys] = ()) -> list[Recording | TraceError]:
    """Read several traces or logs of other tools, large ones in several processes; what cannot be read is its error.

    `keys`: for each path what a log's reader has to be told; none unless given.
    """
    sizes = [os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths]  # noqa: PTH113, PTH202 - likewise
    # A process of JAX has threads that a copy of it would wait for, for ever.
    alone = sum(sizes) < _WORTH_PROCESSES or "jax" in sys.modules
    workers = 1 if alone else min(len(paths), os.cpu_count() or 1)
    files = list(zip(paths, keys or [LogKeys()] * len(paths), strict=True))
    readers = [_ReaderProcess(files[first::workers]) for first in range(1, workers)]
    found = [[_read_or_error(*file) for file in files[::workers]], *(reader.receive() for reader in readers)]
    return [found[place % workers][place // workers] for place in range(len(paths))]


class _ReaderProcess:
    """A process that reads recordings and sends them through a pipe, the columns as they lie in memory."""

    def __init__(self, files: Sequence[_File]) -> None:
        import multiprocessing  # here, because short comparisons do without

        self.files = files
        self.pipe, child_end = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=_send_recordings, args=(files, child_end), daemon=True)
        self.process.start()
        child_end.close()

    def receive(self) -> list[Recording | TraceError]:
        """Wait for everything. What a process that died did not send gives errors."""
        found: list[Recording | TraceError] = []
        with self.pipe, open(self.pipe.fileno(), "rb", closefd=False) as stream:
            for path, _ in self.files:
                try:
                    columns = [stream.read(size) for size in pickle.load(stream)]
                    found.append(pickle.load(stream, buffers=columns))
                except (EOFError, pickle.UnpicklingError):
                    found.append(TraceError(f"{one_line(path)}:1: cannot be read: the process reading it died."))
        self.process.join()
        return found


def _send_recordings(files: Sequence[_File], pipe: "Connection") -> None:
    with open(pipe.fileno(), "wb", closefd=False) as stream:
        for file in files:
            columns: list[pickle.PickleBuffer] = []
            rest = pickle.dumps(_read_or_error(*file), protocol=5, buffer_callback=columns.append)
            stream.write(pickle.dumps([column.raw().nbytes for column in columns]))
            stream.writelines([*(column.raw() for column in columns), rest])


def _read_or_error(path: str, keys: LogKeys) -> Recording | TraceError:
    try:
        return read_foreign(path, keys)
    except TraceError as error:
        return error
