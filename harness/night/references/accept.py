"""Accepting a cell as a reference: the conditions, and the record that is then written."""

import gzip
import hashlib
import io
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import ReferenceTraceError
from harness.night.references.comparison import compare_with
from harness.night.references.environment import environment_of
from harness.night.references.reference import (
    MANIFEST,
    RECORD,
    TRACE,
    Acceptance,
    Record,
    find_like,
    list_references,
    publish,
    settle,
    values_of,
)
from harness.system.files import json_document
from harness.trace.format import one_line
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording, read_recording
from harness.verdict.compare import first_nonfinite
from harness.verdict.likeness import faults

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_LONGEST_REASON = 2000


@dataclass(frozen=True)
class Proposal:
    """A cell that could become a reference. `unchanged`: it is the reference already."""

    trace: Path
    manifest: Manifest
    record: Record
    unchanged: bool

    @property
    def acceptance(self) -> Acceptance:
        """The newest one."""
        return self.record.acceptances[-1]

    @property
    def path(self) -> Path:
        """Of the trace, in the folder of references."""
        return Path(self.record.environment) / f"{self.record.name}{TRACE}"

    @property
    def refused(self) -> bool:
        """True if the change is more than rounding explains and nobody insists on it."""
        verdict = self.acceptance.verdict
        return verdict is not None and verdict.status != "PASS" and not self.acceptance.forced

    @property
    def sentence(self) -> str:
        """Consequence of accepting it."""
        old, verdict = self.acceptance.old, self.acceptance.verdict
        if self.unchanged:
            return "is this trace already."
        if old is None or verdict is None:
            return "the first reference of this name."
        alike = "bit for bit alike" if verdict.bitwise else "not bit for bit alike"
        line = f"{verdict.steps} steps compared with the reference of {old.environment}, {alike}; {verdict.sentence}"
        return f"forced: {line}" if self.acceptance.forced else line


def propose(cells: Sequence[Path], reason: str, into: Path, *, force: bool = False) -> list[Proposal]:
    """Judge traces against the references of their names; nothing is written but what a killed acceptance had decided.

    Raises: ReferenceTraceError for a cell that is not a whole run, TraceError for one that cannot be read.
    """
    why = reason_of(reason, "--reason")
    settle(into)
    known, who, when = list_references(into), user_name(), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    proposals: dict[Path, Proposal] = {}
    for path in cells:
        recording, manifest = _read_whole(path)
        environment = environment_of(recording.trace.header, manifest)
        old = find_like(known[recording.name], environment) if recording.name in known else None
        compared = None if old is None else compare_with(old, recording, manifest)
        beyond = compared is not None and not compared.passed
        new = Acceptance(
            who=who,
            when=when,
            why=why,
            forced=force and beyond,
            new=values_of(recording, manifest, environment.key),
            old=None if old is None else old.values,
            verdict=None if compared is None else compared.judgement,
        )
        same_key = old is not None and old.record.environment == environment.key
        history = old.record.acceptances if old is not None and same_key else []
        record = Record(name=recording.name, environment=environment.key, acceptances=[*history, new])
        unchanged = bool(history) and history[-1].new.trace_sha256 == new.new.trace_sha256
        proposal = Proposal(path, manifest, record, unchanged)
        if proposal.path in proposals:
            raise ReferenceTraceError(
                f"{one_line(path)}: {proposals[proposal.path].trace} is of the same name. Give one."
            )
        proposals[proposal.path] = proposal
    return list(proposals.values())


def write(proposals: Sequence[Proposal], into: Path) -> None:
    """Make them the references: all of them or, when killed, none.

    Raises: ReferenceTraceError when a trace has changed since it was judged, OSError.
    """
    files: dict[Path, bytes] = {}
    for proposal in proposals:
        if not proposal.unchanged:
            stem = proposal.path.parent / proposal.record.name
            files[Path(f"{stem}{TRACE}")] = _compress(proposal)
            files[Path(f"{stem}{MANIFEST}")] = json_document(proposal.manifest, indent=2)
            files[Path(f"{stem}{RECORD}")] = json_document(proposal.record, indent=2)
    if files:
        into.mkdir(parents=True, exist_ok=True)
        publish(into, files)


def _read_whole(path: Path) -> tuple[Recording, Manifest]:
    """A complete cell whose trace is the one that its manifest describes. Raises: ReferenceTraceError, TraceError."""
    recording = read_recording(path)
    trace, manifest = recording.trace, recording.manifest
    if manifest is None:
        raise ReferenceTraceError(f"{one_line(path)}: has no manifest beside it; expected a cell that `harness` ran.")
    found = faults("the cell", recording)
    if trace.sha256 is None:
        found.append("its manifest does not say which trace it describes")
    if not manifest.provenance:
        found.append("its manifest does not say where it ran")
    if not NAME.fullmatch(recording.name):
        found.append("its name is not made of letters, digits and `._+-`")
    if manifest.cell is None:
        found.append("its manifest does not say which run it is")
    elif manifest.cell.evidence:
        found.append("it was run as evidence for other cells")
    if trace.steps == 0:
        found.append("it has no step")
    elif (step := first_nonfinite(trace, trace.steps)) is not None:
        found.append(f"its step {step} is not finite")
    if found:
        raise ReferenceTraceError(
            f"{one_line(path)}: {'; '.join(found)}. It cannot become a reference; run the cell again."
        )
    return recording, manifest


def _compress(proposal: Proposal) -> bytes:
    """The trace, gzipped. Raises: ReferenceTraceError when it is another by now."""
    path = proposal.trace
    content = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    if hashlib.sha256(content).hexdigest() != proposal.acceptance.new.trace_sha256:
        raise ReferenceTraceError(f"{one_line(path)}: has changed since it was judged. Accept it again.")
    return compressed(content)


def reason_of(text: str, option: str) -> str:
    """A reason as records keep it, on one line. Raises: ReferenceTraceError when it says nothing, or too much."""
    why = " ".join(text.split())
    if not 0 < len(why) <= _LONGEST_REASON:
        raise ReferenceTraceError(f"{option} has {len(why)} characters; expected 1 to {_LONGEST_REASON} that say why.")
    return why


def compressed(content: bytes) -> bytes:
    """The bytes of a trace, gzipped: the same whenever it is done."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def user_name() -> str:
    """Git's user.name, empty where there is none."""
    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return one_line(done.stdout.decode(errors="replace").strip())
