"""A reference trace on disk: NAME.jsonl.gz, its manifest, and the record of who accepted it and why."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from harness.errors import ReferenceTraceError, TraceError
from harness.night.references.environment import Environment, environment_of
from harness.trace.format import Count, one_line
from harness.trace.manifest import Fraction, Manifest
from harness.trace.recording import Recording
from harness.trace.store import StoredCell, read_cell
from harness.verdict.judge import Status
from harness.verdict.likeness import faults

TRACE, MANIFEST, RECORD = ".jsonl.gz", ".manifest.json", ".accepted.json"
MEDIAN_OF = 64  # last steps
_STAGING, _PENDING = ".accepting.part", ".accepting"


class Values(msgspec.Struct, kw_only=True, frozen=True):
    """A trace in a few numbers. A step that it does not have is null; `last_median`: of the last 64 losses.

    Units: losses in nats, test_accuracy a fraction.
    """

    environment: str
    steps: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    trace_sha256: str
    step_1: float
    step_2: float | None
    step_3: float | None
    last_median: float
    last: float
    test_accuracy: Fraction | None


class Judgement(msgspec.Struct, kw_only=True, frozen=True):
    """The verdict of a new trace against the reference before it. `steps`: compared ones, `bitwise`: all are equal."""

    status: Status
    gate: str | None
    sentence: str
    steps: Count
    bitwise: bool


class Acceptance(msgspec.Struct, kw_only=True, frozen=True):
    """Who made this trace the reference, when and why. `old`, `verdict`: null where there was none before.

    `old` is of the same environment or, where that has none, of the one that is most like it. `forced`: accepted
    although the verdict is not PASS.
    """

    who: str
    when: str
    why: str
    forced: bool
    new: Values
    old: Values | None
    verdict: Judgement | None


class Record(msgspec.Struct, kw_only=True, frozen=True):
    """Acceptances under a name in an environment, the newest last."""

    accepted_version: Literal[1] = 1
    name: str
    environment: str
    acceptances: Annotated[list[Acceptance], msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class ReferenceTrace:
    """A reference trace, read and found whole."""

    cell: StoredCell
    recording: Recording
    record: Record

    @property
    def manifest(self) -> Manifest:
        """Manifest of its run."""
        return self.cell.manifest

    @property
    def environment(self) -> Environment:
        """Of the run that it is the trace of."""
        return environment_of(self.recording.trace.header, self.manifest)

    @property
    def values(self) -> Values:
        """In a few numbers, under the key that it lies under."""
        return values_of(self.recording, self.manifest, self.record.environment)


def values_of(recording: Recording, manifest: Manifest, environment: str) -> Values:
    """A whole trace, which has steps and a digest, in a few numbers."""
    loss, sha256 = recording.trace.loss, recording.trace.sha256
    assert len(loss) and sha256 is not None
    early = [float(loss[k]) if k < len(loss) else None for k in (1, 2)]
    return Values(
        environment=environment,
        steps=len(loss),
        trace_sha256=sha256,
        step_1=float(loss[0]),
        step_2=early[0],
        step_3=early[1],
        last_median=float(np.median(loss[-MEDIAN_OF:])),
        last=float(loss[-1]),
        test_accuracy=manifest.test_accuracy,
    )


def list_references(folder: Path) -> dict[str, dict[str, Path]]:
    """By name and key: the record of every reference below a folder, sorted."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob(f"*/*{RECORD}")):
        if not path.parent.name.startswith("."):
            found.setdefault(path.name.removesuffix(RECORD), {})[path.parent.name] = path
    return found


def read_reference(path: Path) -> ReferenceTrace:
    """Read the reference of a record.

    Raises: ReferenceTraceError when its three files are not what they were when accepted.
    """
    name, key = path.name.removesuffix(RECORD), path.parent.name
    trace = path.with_name(name + TRACE)
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
        cell = read_cell(path.with_name(name + MANIFEST), path.parents[1])
        recording = cell.read()
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, f"not a record of acceptance: {one_line(error)}") from None
    except TraceError as error:
        raise ReferenceTraceError(f"{str(error).rstrip('.')}. {_RESTORE}") from None
    if (record.name, record.environment) != (name, key):
        raise _damaged(path, f"it is the record of {one_line(f'{record.environment}/{record.name}')}")
    found = faults("the reference", recording)
    if recording.trace.sha256 != record.acceptances[-1].new.trace_sha256:
        found.append("the record is of another trace: its trace_sha256 is not this file's")
    if found:
        raise _damaged(trace, "; ".join(found))
    return ReferenceTrace(cell, recording, record)


_RESTORE = "Restore the three files of this reference from version control."


def _damaged(path: Path, what: str) -> ReferenceTraceError:
    return ReferenceTraceError(f"{one_line(path)}: {what}. {_RESTORE}")


def find_like(records: Mapping[str, Path], environment: Environment) -> ReferenceTrace:
    """The reference of an environment or, where there is none, the one of the environment most like it.

    Of two alike the newer one. `records`: by key, at least one.

    Raises: ReferenceTraceError when a reference that is looked at is damaged.
    """
    if environment.key in records:
        return read_reference(records[environment.key])
    facts = set(environment.facts)
    return max(
        map(read_reference, records.values()),
        key=lambda other: (len(facts & set(other.environment.facts)), other.record.acceptances[-1].when),
    )


def publish(folder: Path, files: Mapping[Path, bytes]) -> None:
    """Put files, by their path in the folder, into it: all of them or, when killed at any moment, none.

    They are made aside and get their place by one renaming; what is left then is moving, which `settle` ends if this
    process does not.

    Raises: OSError.
    """
    settle(folder)
    staging = folder / _STAGING
    if staging.exists():
        shutil.rmtree(staging)  # of an acceptance that was killed
    for path, content in files.items():
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    staging.rename(folder / _PENDING)
    settle(folder)


def settle(folder: Path) -> None:
    """Move what a killed acceptance had decided on and not yet moved. Raises: OSError."""
    pending = folder / _PENDING
    if not pending.is_dir():
        return
    for path in sorted(path for path in pending.rglob("*") if path.is_file()):
        target = folder / path.relative_to(pending)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process is settling it as well
            path.replace(target)
    shutil.rmtree(pending, ignore_errors=True)
