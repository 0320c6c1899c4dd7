"""References beside tests: a trace, its manifest where it has one, and the record of who made it that, when and why."""

import contextlib
import fcntl
import gzip
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.errors import ReferenceTraceError, TraceError
from harness.night.references.accept import NAME, compressed, reason_of, user_name
from harness.night.references.comparison import first_unlike_step
from harness.night.references.reference import MANIFEST, TRACE, publish, settle
from harness.system.files import json_document
from harness.trace.format import one_line
from harness.trace.manifest import manifest_path
from harness.trace.recording import Recording, read_recording
from harness.verdict.compare import first_nonfinite
from harness.verdict.likeness import faults

FOLDER = "references"
RECORD = ".refreshed.json"
OPTION = "--refresh-references"
_RESTORE = f"Restore the files of this reference from version control, or run pytest {OPTION} WHY."


class Refreshment(msgspec.Struct, kw_only=True, frozen=True):
    """Who made a trace the reference, when and why. `old`, `new`: SHA-256 of the uncompressed traces; null for none."""

    who: str
    when: str
    why: str
    old: str | None
    new: str


class RefreshRecord(msgspec.Struct, kw_only=True, frozen=True):
    """The refreshments of a reference, the newest last."""

    refreshed_version: Literal[1] = 1
    name: str
    refreshments: Annotated[list[Refreshment], msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class ReferenceBeside:
    """The reference of a name beside a test module: `references/MODULE/NAME.jsonl.gz` in the module's folder.

    Raises: ReferenceTraceError for a name that is none for a file.
    """

    module: Path
    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ReferenceTraceError(
                f"reference {self.name!r}: expected a name of letters, digits and `._+-`, at most 200."
            )

    @property
    def folder(self) -> Path:
        """The folder of the references of the module."""
        return self.module.parent / FOLDER / self.module.stem

    @property
    def trace(self) -> Path:
        """The reference."""
        return self.folder / f"{self.name}{TRACE}"

    def read(self) -> Recording:
        """The trace and its manifest. Raises: ReferenceTraceError when there is none, or one that was changed."""
        if not self.folder.is_dir():
            raise self._absent()
        with _held(self.folder):
            settle(self.folder)
            return self._read()[0]

    def refresh(self, trace: Path, why: str) -> None:
        """Make a trace, with the manifest beside it, the reference; one that it equals bit for bit is left as it is.

        All files are replaced or, when killed, none, also where several processes refresh at once.

        Raises: ReferenceTraceError for a trace that no run can be held to, TraceError, OSError.
        """
        reason = reason_of(why, OPTION)
        new, content = _read_whole(trace)
        self.folder.mkdir(parents=True, exist_ok=True)
        with _held(self.folder):
            settle(self.folder)
            history: list[Refreshment] = []
            if self.trace.is_file():
                try:
                    old, record = self._read()
                except (ReferenceTraceError, TraceError):
                    pass  # a damaged one is what refreshing mends; its history is in version control
                else:
                    if _equal(old, new):
                        return
                    history = record.refreshments
            self._write(trace, content, reason, history)

    def _write(self, trace: Path, content: bytes, why: str, history: list[Refreshment]) -> None:
        now = Refreshment(
            who=user_name(),
            when=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            why=why,
            old=history[-1].new if history else None,
            new=hashlib.sha256(content).hexdigest(),
        )
        record = RefreshRecord(name=self.name, refreshments=[*history, now])
        files = {
            Path(self.trace.name): compressed(content),
            Path(f"{self.name}{RECORD}"): json_document(record, indent=2),
        }
        manifest, beside = self.folder / f"{self.name}{MANIFEST}", manifest_path(trace)
        manifest.unlink(missing_ok=True)
        if beside.is_file():
            files[Path(manifest.name)] = beside.read_bytes()
        publish(self.folder, files)

    def _read(self) -> tuple[Recording, RefreshRecord]:
        if not self.trace.is_file():
            raise self._absent()
        record_path = self.folder / f"{self.name}{RECORD}"
        try:
            record = msgspec.json.decode(record_path.read_bytes(), type=RefreshRecord)
        except OSError as error:
            raise _damaged(record_path, f"cannot be read: {error.strerror or error}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _damaged(record_path, f"not a record of refreshments: {one_line(error)}") from None
        recording = read_recording(self.trace, allow_foreign=True)
        if hashlib.sha256(_content(self.trace)).hexdigest() != record.refreshments[-1].new:
            raise _damaged(self.trace, f"not the trace that {record_path.name} tells of")
        return recording, record

    def _absent(self) -> ReferenceTraceError:
        return ReferenceTraceError(f"{one_line(self.trace)}: no reference yet; run pytest {OPTION} 'why' to make it.")


def _read_whole(path: Path) -> tuple[Recording, bytes]:
    """A trace of a run that ended well, and its uncompressed bytes. Raises: ReferenceTraceError, TraceError."""
    recording = read_recording(path, allow_foreign=True)
    trace = recording.trace
    found = faults("the trace", recording)
    if trace.steps == 0:
        found.append("it has no step")
    elif (step := first_nonfinite(trace, trace.steps)) is not None:
        found.append(f"its step {step} is not finite")
    if found:
        raise ReferenceTraceError(f"{one_line(path)}: cannot become a reference: {'; '.join(found)}.")
    return recording, _content(path)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.name.endswith(".gz") else content


def _equal(old: Recording, new: Recording) -> bool:
    """Whether two traces say the same in every bit but for how long it took."""
    same_run = old.trace.header == new.trace.header and old.trace.steps == new.trace.steps
    same_end = (old.manifest is None) == (new.manifest is None)
    return same_run and same_end and first_unlike_step(old.trace, new.trace) is None


def _damaged(path: Path, what: str) -> ReferenceTraceError:
    return ReferenceTraceError(f"{one_line(path)}: {what}. {_RESTORE}")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """No other process reads or replaces the references of a folder meanwhile; it leaves no file there."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
