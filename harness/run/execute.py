"""Runs one cell: a program in a process of its own, watched until it ends, and the two files that it leaves."""

import contextlib
import errno
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness.errors import TraceError
from harness.run.cell_plan import CellPlan
from harness.run.contract import TRACE_OUT, child_environment
from harness.run.probe import installed_versions
from harness.run.provenance import scrub, scrub_tree
from harness.run.publication import find_changed_start, publish
from harness.run.tail import TraceTail, is_regular, keep_readable
from harness.system.process import Child, Interruptions, signal_name
from harness.trace.evaluations import evaluations_path
from harness.trace.format import Trace
from harness.trace.kept_states import states_folder
from harness.trace.manifest import Manifest, Status, write_manifest
from harness.trace.recognition import recognise
from harness.trace.segments import segments_path

POLL_S = 0.05
TAIL_BYTES = 4096
BEYOND = "stopped after the planned steps"

Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class _End:
    """End of the program. `cut`: its trace counts up to the planned steps, whatever came after them."""

    status: Status
    reason: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    cut: bool = False
    hung: bool = False
    stdout: bytes | None = None
    stderr: str = ""


def run_cell(
    plan: CellPlan, on_progress: Progress | None = None, why_stop: Callable[[], str | None] = lambda: None
) -> Manifest:
    """Run the program to its end and write the manifest; the trace gets its final name only when all steps are there.

    `on_progress(step, loss, seconds)` is called as steps appear in the trace. `why_stop`: the reason for which the
    program is to be stopped, as soon as there is one. SIGINT and SIGTERM stop the program's
    whole process group, leave the readable prefix and a manifest that says interrupted, and then take their effect.

    Raises: TraceError when the folder cannot hold traces.
    """
    with Interruptions() as interruptions:
        _forget(plan)
        started = time.monotonic()
        try:
            child = Child(
                plan.command,
                child_environment({"PYTHONFAULTHANDLER": "1", **plan.environment, TRACE_OUT: str(plan.partial)}),
                marker=b"test accuracy: ",
            )
        except (OSError, ValueError, IndexError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return refuse(plan, f"{plan.command[0] if plan.command else 'no command'}: {what}")
        try:
            end = _watch(plan, child, on_progress, why_stop, started, interruptions)
        except BaseException as error:
            child.stop()
            end = _End("interrupted", f"interrupted by {type(error).__name__}")
            _settle(plan, _heard(end, child), time.monotonic() - started)
            raise
        return _settle(plan, _heard(end, child), time.monotonic() - started)


def refuse(plan: CellPlan, reason: str) -> Manifest:
    """The manifest of a cell that was not started, written in the place of any older files of that cell.

    Raises: TraceError when the folder cannot hold it.
    """
    _forget(plan)
    return _record(plan, Manifest(status="refused", reason=scrub(reason)), _End("refused", stderr=reason))


def _forget(plan: CellPlan) -> None:
    """Nothing of an earlier run may pass for this one."""
    with unwritable(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
        beside = segments_path(plan.trace), evaluations_path(plan.trace)
        for path in (plan.trace, plan.partial, plan.manifest, *beside):
            path.unlink(missing_ok=True)
        if (states := states_folder(plan.trace)).exists():
            shutil.rmtree(states)


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Tell the system's refusal to write into the folder of the traces in one line. Raises: TraceError."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise TraceError(
            f"{where}: {error.strerror or error}; traces cannot be written there. Give another folder with --out."
        ) from None


def _watch(
    plan: CellPlan,
    child: Child,
    on_progress: Progress | None,
    why_stop: Callable[[], str | None],
    started: float,
    interruptions: Interruptions,
) -> _End:
    """Follow the program until it ends or has to be stopped."""
    tail = TraceTail(plan.partial)
    look_at = moved_at = started
    while True:
        ended = child.wait(POLL_S)
        now = time.monotonic()
        if ended or now >= look_at:  # a program that prints a lot wakes us far more often
            look_at = now + POLL_S
            if tail.advance():
                moved_at = now
                if on_progress is not None:
                    on_progress(tail.step, tail.loss, now - started)
        if not plan.obeys_step_limit and plan.planned_steps is not None and tail.step > plan.planned_steps:
            went_on = f"; it had gone on: {_natural_end(child.returncode).reason or 'exit code 0'}" if ended else ""
            end: _End | None = _End("complete", BEYOND + went_on, cut=True)
        elif ended:
            end = _natural_end(child.returncode)
        elif interruptions.received:
            end = _End("interrupted", f"interrupted by {signal_name(interruptions.received[0])}")
        elif (why := why_stop()) is not None:
            end = _End("interrupted", why)
        else:
            end = _overdue(plan, tail.step, now - started, now - moved_at)
        if end is not None:
            if not ended:
                child.stop(hurry=lambda: len(interruptions.received) > 1)
            return end


def _overdue(plan: CellPlan, step: int, elapsed: float, quiet: float) -> _End | None:
    """Reason to stop a running program, if there is one."""
    if not plan.obeys_step_limit and step == plan.planned_steps and quiet > plan.linger_s:
        return _End("complete", BEYOND, cut=True)
    if elapsed > plan.timeout_s:
        return _End("timed-out", f"no end after {plan.timeout_s:g} s, at step {step}", hung=step == 0)
    if plan.stall_s is not None and quiet > plan.stall_s:
        return _End("timed-out", f"no new step for {plan.stall_s:g} s, at step {step}", hung=step == 0)
    return None


def _natural_end(code: int) -> _End:
    """Meaning of an exit code; minus the signal for a program that one killed."""
    if code == 0:
        return _End("complete", exit_code=0)
    if code < 0:
        hint = " (the system does that when memory runs out)" if -code == signal.SIGKILL else ""
        return _End("crashed", f"killed by {signal_name(-code)}{hint}", signal=signal_name(-code))
    if code - 128 in set(signal.Signals):  # how a shell reports what killed its program
        name = signal_name(code - 128)
        return _End("crashed", f"exit code {code} ({name})", exit_code=code, signal=name)
    return _End("crashed", f"exit code {code}", exit_code=code)


def _heard(end: _End, child: Child) -> _End:
    """With what the program printed. The tail is cut after scrubbing, so that no half of a path is left."""
    stderr = scrub(child.err.tail).encode()[-TAIL_BYTES:].decode(errors="ignore")
    return replace(end, stdout=child.out.marked, stderr=stderr)


def _settle(plan: CellPlan, end: _End, wall_s: float) -> Manifest:
    """Decide what the run was worth, give the trace its name and write the manifest."""
    trace, problem = _left_behind(plan, end)
    status, reason = end.status, end.reason
    if status == "complete":
        shortage = problem or _shortage(plan, trace) or find_changed_start(plan)
        status, reason = ("crashed", shortage) if shortage else (status, reason)
    elif problem:
        reason = f"{reason}; {problem}"
    elif status == "crashed" and trace is not None and trace.steps == plan.planned_steps:
        reason = f"{reason}, after the last of {trace.steps} planned steps"
    if status in ("crashed", "timed-out") and (full := _disk_trouble(end.stderr)):
        reason = f"{reason}: {full}"
    if status == "complete":
        try:
            if touched := publish(plan.partial, plan.trace, None if trace is None else trace.sha256):
                status, reason = "crashed", touched
        except OSError as error:
            status, reason = "crashed", f"the trace cannot be kept: {error.strerror}"
    accuracy, correct, total = read_accuracy(end.stdout)
    manifest = Manifest(
        status=status,
        reason=reason and scrub(reason),
        steps_written=0 if trace is None else trace.steps,
        trace_sha256=None if trace is None else trace.sha256,
        test_accuracy=accuracy,
        test_correct=correct,
        test_total=total,
        wall_s=round(wall_s, 3),
        exit_code=end.exit_code,
        signal=end.signal,
        stderr_tail=end.stderr,
    )
    return _record(plan, manifest, end)


def _left_behind(plan: CellPlan, end: _End) -> tuple[Trace | None, str | None]:
    """The readable part of the trace, and what is wrong with the rest."""
    try:
        if not os.path.lexists(plan.partial):
            return None, None
        if not is_regular(plan.partial):
            if not plan.partial.is_dir() or plan.partial.is_symlink():
                plan.partial.unlink()  # so that nobody waits for it
            return None, "the trace cannot be read: it is not a regular file"
        trace, problem = keep_readable(plan.partial, plan.planned_steps if end.cut else None)
    except OSError as error:
        trace, problem = None, str(error.strerror)
    return trace, problem and f"the trace cannot be read: {problem}"


def _shortage(plan: CellPlan, trace: Trace | None) -> str | None:
    """Reason why a program that exited 0 is incomplete, if it is."""
    if trace is None:
        return "exited 0 without a trace"
    planned = trace.header.planned_steps if plan.planned_steps is None else plan.planned_steps
    if trace.steps == planned or (planned is None and trace.steps > 0):
        return None
    return f"exited 0 after {trace.steps}{'' if planned is None else f' of {planned} planned'} steps"


def _record(plan: CellPlan, manifest: Manifest, end: _End) -> Manifest:
    """Write the manifest, with its provenance and the trouble that is recognised.

    One that cannot be written is reported in what is returned, and the trace loses its final name: a cell without a
    manifest is not complete.
    """
    told = scrub_tree(plan.provenance)
    trouble = None
    if manifest.status in ("crashed", "timed-out", "refused"):
        versions, environment = told.get("versions") or installed_versions(), told.get("environment", {})
        trouble = recognise(
            plan.backend, plan.pipeline, end.signal, end.stderr, versions, environment=environment, hung=end.hung
        )
    manifest = msgspec.structs.replace(
        manifest,
        reason=manifest.reason and " ".join(manifest.reason.split()),
        cell=plan.facts,
        known_trouble=trouble.id if trouble else None,
        provenance=told,
    )
    try:
        write_manifest(plan.manifest, manifest)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            plan.trace.replace(plan.partial)
        reason = f"the manifest cannot be written: {error.strerror or error}"
        manifest = msgspec.structs.replace(manifest, status="crashed", reason=scrub(reason))
    return manifest


def _disk_trouble(stderr: str) -> str | None:
    """Message of the system in a program's stderr when it cannot write any more."""
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return next((os.strerror(number) for number in numbers if os.strerror(number) in stderr), None)


def read_accuracy(line: bytes | None) -> tuple[float | None, int | None, int | None]:
    """(fraction, correct, total) from the line `test accuracy: 0.9843 (9843/10000)`, all None without a sound one."""
    found = re.fullmatch(rb"test accuracy: [0-9.]+ \((\d{1,15})/(\d{1,15})\)\s*", line or b"")
    if found is None:
        return None, None, None
    correct, total = int(found[1]), int(found[2])
    return (correct / total, correct, total) if 0 < total >= correct else (None, None, None)
