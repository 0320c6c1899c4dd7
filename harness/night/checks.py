"""Checks of a night, each a command in a process of its own, and their results."""

import hashlib
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import HarnessError
from harness.night.config import CheckPart
from harness.night.documents import read_document
from harness.run.backends import BACKENDS
from harness.run.code_version import code_version
from harness.run.provenance import host_name, scrub
from harness.spec.network_file import is_network_file
from harness.system.files import digest_of, write_json
from harness.system.masking import mask_secrets
from harness.system.process import Child, Interruptions, run_module, signal_name
from harness.trace.format import one_line

_KEPT_BYTES = 1 << 16  # of what a command prints
CheckStatus = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT RUN"]
_STATUSES: dict[int, CheckStatus] = {0: "PASS", 1: "FAIL"}
_PROGRAMS = {"harness": run_module("harness"), "python": (sys.executable,)}


class NightCheck(msgspec.Struct, kw_only=True, frozen=True):
    """A command of a night. `line`: its result in a sentence; `output`: the end of what it printed; `host`: where.

    `fingerprint`: of the command and of the code that it ran. Units: seconds of wall time.
    """

    name: str
    command: str
    status: CheckStatus
    line: str
    output: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    host: str = ""
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.status == "PASS" and self.exit_code != 0:
            raise ValueError(f"status is PASS and exit_code {self.exit_code}")


def read_check(path: Path) -> NightCheck:
    """Read the result of a check. Raises: HarnessError for a file that holds none, FileNotFoundError."""
    return read_document(path, NightCheck, "a check")


def write_check(path: Path, check: NightCheck) -> None:
    """Write the file, whole or not at all. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, check)


def fingerprint(part: CheckPart, command: Sequence[str]) -> str:
    """Of what is run: a result with another one is of another command or of other code, such as a network's file."""
    files = [digest_of(Path(word)) for word in command if is_network_file(word) and Path(word).is_file()]
    return hashlib.sha256(json.dumps([command, part.environment, code_version(), *files]).encode()).hexdigest()


def kept_check(path: Path, part: CheckPart, command: Sequence[str]) -> NightCheck | None:
    """The result of an earlier run of exactly this, None when it has to run."""
    try:
        found = read_check(path)
    except (HarnessError, OSError):
        return None
    ended = found.exit_code is not None  # by itself, and not by a signal or a limit
    return found if ended and found.fingerprint == fingerprint(part, command) else None


def run_check(path: Path, part: CheckPart, command: tuple[str, ...]) -> NightCheck:
    """Run the command to its end and write the result. An interruption stops it and writes nothing.

    Raises: OSError when the result cannot be written.
    """
    started = time.monotonic()
    with Interruptions() as interruptions:
        try:
            child = Child((*_PROGRAMS[command[0]], *command[1:]), _environment(part), keep=_KEPT_BYTES)
        except (OSError, ValueError) as error:
            check = _result(part, command, "INCONCLUSIVE", f"cannot be started: {error}", None, "", 0.0)
        else:
            overdue = False
            while not child.wait(0.1) and not interruptions.received and not overdue:
                overdue = time.monotonic() - started > 60 * part.timeout_minutes
            if interruptions.received or overdue:
                child.stop(hurry=lambda: len(interruptions.received) > 1)
            check = _judged(part, command, child, overdue, time.monotonic() - started)
        if not interruptions.received:
            write_check(path, check)
    return check


def not_run(path: Path, part: CheckPart, command: Sequence[str], why: str) -> NightCheck:
    """Write that it was not run. Raises: OSError."""
    check = _result(part, command, "NOT RUN", why, None, "", None)
    write_check(path, check)
    return check


def _judged(part: CheckPart, command: Sequence[str], child: Child, overdue: bool, seconds: float) -> NightCheck:
    out, code = child.out.tail, child.returncode
    if overdue:
        line = f"no end after {part.timeout_minutes:g} minutes"
        return _result(part, command, "INCONCLUSIVE", line, None, out, seconds)
    if code < 0:
        return _result(part, command, "INCONCLUSIVE", f"killed by {signal_name(-code)}", None, out, seconds)
    status = _STATUSES.get(code, "INCONCLUSIVE")
    said = out if out.strip() else child.err.tail
    line = _last_paragraph(said) or f"exit code {code}"
    if code > 1 and child.err.tail.strip():
        line = f"exit code {code}: {child.err.tail.strip().splitlines()[-1]}"
        out = f"{out}\n{child.err.tail}"
    return _result(part, command, status, line, code, out, seconds)


def _result(
    part: CheckPart,
    command: Sequence[str],
    status: CheckStatus,
    line: str,
    code: int | None,
    output: str,
    seconds: float | None,
) -> NightCheck:
    return NightCheck(
        name=part.name,
        command=mask_secrets(shlex.join(scrub(word) for word in command)),  # a flag and its value are two words
        status=status,
        line=one_line(scrub(line)),
        output=scrub(re.sub(r"\x1b\[[0-9;]*m", "", output)),
        exit_code=code,
        seconds=None if seconds is None else round(seconds, 1),
        host=host_name(),
        fingerprint=fingerprint(part, command),
    )


def _environment(part: CheckPart) -> dict[str, str]:
    """Plain output, and a processor's environment, as the cells of pipelines have it."""
    cpu = BACKENDS["cpu"]
    return {**os.environ, **cpu.environment, "JAX_PLATFORMS": "cpu", "NO_COLOR": "1", **part.environment}


def _last_paragraph(text: str) -> str:
    """The lines behind the last empty one, as one; without those of a progress, which end with a percentage."""
    lines: list[str] = []
    for line in reversed(text.strip().splitlines()):
        if not line.strip():
            break
        if not line.endswith("%]"):
            lines.append(line.strip())
    return " ".join(reversed(lines))
