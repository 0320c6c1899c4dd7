"""Runs one cell: a program in a process of its own, watched until it ends, and the two files that it leaves."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness.errors import TraceError
from harness.manifest import Manifest, Status, write_manifest
from harness.run.contract import TRACE_OUT
from harness.run.known_trouble import recognise
from harness.run.provenance import scrub
from harness.run.tail import TraceTail
from harness.trace_reader import read_trace

POLL_S = 0.05
GRACE_S = 5.0  # between asking a program to stop and killing it
TAIL_BYTES = 4096
DEFAULT_TIMEOUT_S = 24 * 3600.0

Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class CellPlan:
    """A cell ready to run. `environment` comes on top of this process's own.

    `obeys_step_limit`: False for programs that don't know LEAN_MLIR_MAX_STEPS; they are stopped once the trace has the
    planned steps. `planned_steps` None: what the trace's header says.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    backend: str = "cpu"
    pipeline: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    planned_steps: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    obeys_step_limit: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trace(self) -> Path:
        """The trace of a complete run."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def partial(self) -> Path:
        """The trace while the program runs, and what is left of one that did not complete."""
        return self.folder / f"{self.name}.partial.jsonl"

    @property
    def manifest(self) -> Path:
        """How the run ended."""
        return self.folder / f"{self.name}.manifest.json"


@dataclass(frozen=True)
class _End:
    status: Status
    reason: str | None = None
    exit_code: int | None = None
    signal: str | None = None


def run_cell(plan: CellPlan, on_progress: Progress | None = None) -> Manifest:
    """Run the program to its end and write the manifest; the trace gets its final name only when all steps are there.

    `on_progress(step, loss, seconds)` is called as steps appear in the trace. Ctrl-C stops the program's whole process
    group, leaves the readable prefix and a manifest that says interrupted, and is raised again.
    """
    _forget(plan)
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        interrupted = False
        try:
            end = _run(plan, out, err, on_progress, started)
        except KeyboardInterrupt:
            end, interrupted = _End("interrupted", "interrupted from the keyboard"), True
        wall_s = time.monotonic() - started
        manifest = _settle(plan, end, wall_s, _tail(out), scrub(_tail(err)))
    if interrupted:
        raise KeyboardInterrupt
    return manifest


def refuse(plan: CellPlan, reason: str) -> Manifest:
    """The manifest of a cell that was not started, written in the place of any older files of that cell."""
    _forget(plan)
    manifest = Manifest(status="refused", reason=scrub(reason), provenance=dict(plan.provenance))
    write_manifest(plan.manifest, manifest)
    return manifest


def _forget(plan: CellPlan) -> None:
    """Nothing of an earlier run may pass for this one."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    for path in (plan.trace, plan.partial, plan.manifest):
        path.unlink(missing_ok=True)


def _run(plan: CellPlan, out: IO[bytes], err: IO[bytes], on_progress: Progress | None, started: float) -> _End:
    environment = {**os.environ, **plan.environment, TRACE_OUT: str(plan.partial)}
    try:
        child = subprocess.Popen(
            plan.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    except OSError as error:
        return _End("refused", f"{scrub(plan.command[0])}: {error.strerror}")
    tail = TraceTail(plan.partial)
    try:
        while child.poll() is None:
            if tail.advance() and on_progress is not None:
                on_progress(tail.step, tail.loss, time.monotonic() - started)
            if time.monotonic() - started > plan.timeout_s:
                _stop(child)
                return _End("timed-out", f"no end after {plan.timeout_s:g} s (step {tail.step})")
            if not plan.obeys_step_limit and plan.planned_steps is not None and tail.step >= plan.planned_steps:
                _stop(child)
                return _End("complete", "stopped after the planned steps")
            _bound(out, err)
            time.sleep(POLL_S)
    except BaseException:
        _stop(child)
        raise
    _kill_group(child)  # whatever it left running
    if tail.advance() and on_progress is not None:
        on_progress(tail.step, tail.loss, time.monotonic() - started)
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        return _End("crashed", f"killed by {name}", signal=name)
    if child.returncode > 0:
        return _End("crashed", f"exit code {child.returncode}", exit_code=child.returncode)
    return _End("complete", exit_code=0)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask the process group to end, then make it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _kill_group(child)
    child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _settle(plan: CellPlan, end: _End, wall_s: float, stdout: str, stderr: str) -> Manifest:
    """Decide what the run was worth, give the trace its name and write the manifest."""
    steps, digest, reason, status = 0, None, end.reason, end.status
    limit = plan.planned_steps if not plan.obeys_step_limit else None
    if plan.partial.exists():
        _cut(plan.partial, limit)
        try:
            trace = read_trace(plan.partial, with_digest=True)
            steps, digest = trace.steps, trace.sha256
            planned = plan.planned_steps or trace.header.planned_steps
            if status == "complete" and planned is not None and steps != planned:
                status, reason = "crashed", f"ended after {steps} of {planned} planned steps"
        except TraceError as error:
            if status == "complete":
                status, reason = "crashed", f"the trace cannot be read: {scrub(str(error))}"
    elif status == "complete":
        status, reason = "crashed", "no trace was written"
    if status == "complete":
        plan.partial.replace(plan.trace)
    elif _disk_full(stderr):
        reason = f"{reason}: no space left on the device"
    accuracy, correct, total = _accuracy(stdout)
    trouble = None
    if status in ("crashed", "timed-out"):
        trouble = recognise(plan.backend, plan.pipeline, end.signal, stderr, status, plan.provenance)
    manifest = Manifest(
        status=status,
        reason=reason,
        steps_written=steps,
        trace_sha256=digest,
        test_accuracy=accuracy,
        test_correct=correct,
        test_total=total,
        wall_s=round(wall_s, 3),
        exit_code=end.exit_code,
        signal=end.signal,
        stderr_tail=stderr,
        known_trouble=trouble.id if trouble else None,
        provenance=dict(plan.provenance),
    )
    write_manifest(plan.manifest, manifest)
    return manifest


def _cut(path: Path, steps: int | None) -> None:
    """Leave whole lines only, and at most the header and `steps` lines."""
    with path.open("r+b") as file:
        end = 0
        for number, line in enumerate(file):
            if not line.endswith(b"\n") or (steps is not None and number > steps):
                break
            end += len(line)
        file.truncate(end)


def _bound(*files: IO[bytes]) -> None:
    """A program that prints without end must not fill the disk: past a size, only the newest output is kept."""
    for file in files:
        size = os.fstat(file.fileno()).st_size
        if size > 1 << 26:
            kept = os.pread(file.fileno(), TAIL_BYTES, size - TAIL_BYTES)
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), kept, 0)
            os.lseek(file.fileno(), len(kept), os.SEEK_SET)


def _tail(file: IO[bytes]) -> str:
    size = os.fstat(file.fileno()).st_size
    raw = os.pread(file.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))
    return raw.decode(errors="replace").replace("\0", "")


def _disk_full(stderr: str) -> bool:
    return "No space left on device" in stderr or "ENOSPC" in stderr


def _accuracy(stdout: str) -> tuple[float | None, int | None, int | None]:
    """From the line `test accuracy: 0.9843 (9843/10000)`; the last one counts."""
    found = re.findall(r"^test accuracy: [0-9.]+ \((\d+)/(\d+)\)\s*$", stdout, re.MULTILINE)
    if not found or int(found[-1][1]) == 0 or int(found[-1][0]) > int(found[-1][1]):
        return None, None, None
    correct, total = map(int, found[-1])
    return correct / total, correct, total
