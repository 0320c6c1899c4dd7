"""What a cell leaves, read back: its trace and, where there is one, its manifest."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TraceError
from harness.manifest import Manifest, manifest_path, read_manifest
from harness.trace import Trace, one_line
from harness.trace_reader import read_trace

_WORTH_PROCESSES = 16_000_000  # bytes; below it a second process takes longer to start than it saves


@dataclass(frozen=True)
class Recording:
    """One run as its two files hold it."""

    trace: Trace
    manifest: Manifest | None = None

    @property
    def name(self) -> str:
        """File name of the trace without its suffixes."""
        return Path(self.trace.path).name.removesuffix(".gz").removesuffix(".jsonl")


def read_recording(path: str | Path, *, with_lines: bool = False) -> Recording:
    """Read a trace and the manifest beside it. `with_lines`: keep the steps that carry optional channels.

    Raises: TraceError `file:line: what`.
    """
    beside = manifest_path(path)
    manifest = read_manifest(beside) if beside.is_file() else None
    with_digest = manifest is not None and manifest.trace_sha256 is not None
    return Recording(read_trace(path, with_lines=with_lines, with_digest=with_digest), manifest)


def read_recordings(paths: Sequence[str]) -> list[Recording | TraceError]:
    """Read several recordings, large ones in several processes; a file that cannot be read gives its error."""
    sizes = [os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths]  # noqa: PTH113, PTH202
    others = min(len(paths), os.cpu_count() or 1) - 1
    if others < 1 or sum(sizes) < _WORTH_PROCESSES:
        return [_read_or_error(path) for path in paths]
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

    try:
        with ProcessPoolExecutor(others) as pool:
            rest = pool.map(_read_or_error, paths[1:])
            return [_read_or_error(paths[0]), *rest]
    except BrokenExecutor:
        return [TraceError(f"{one_line(path)}:1: cannot be read: a reading process died.") for path in paths]


def _read_or_error(path: str) -> Recording | TraceError:
    try:
        return read_recording(path)
    except TraceError as error:
        return error
