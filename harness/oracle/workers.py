"""Runs a process for every case and dtype, a few at a time; whatever becomes of one is a row."""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from harness.backends import BACKENDS
from harness.oracle.examination import Finding
from harness.oracle.worker import MARKER, Task
from harness.process import Child, Interruptions, signal_name

_POLL_S = 0.05


@dataclass(frozen=True)
class Row:
    """What became of one task: a finding, or in `trouble` why there is none."""

    case: str
    dtype: str
    finding: Finding | None
    trouble: str
    seconds: float

    @property
    def verdict(self) -> str:
        """AGREE, DISAGREE, SHOWN where f64 has to judge, or BROKEN where there is nothing to judge."""
        if self.finding is None:
            return "BROKEN"
        if self.finding.complaints:
            return "DISAGREE"
        return "SHOWN" if self.finding.shown_only else "AGREE"


@dataclass
class _Running:
    task: Task
    child: Child
    started: float


def run_tasks(
    tasks: Sequence[Task],
    jobs: int,
    timeout_s: float,
    on_change: Callable[[int, Sequence[str]], None],
    command: Sequence[str] = (sys.executable, "-m", "harness.oracle.worker"),
) -> list[Row]:
    """One row a task, in the order of the tasks. `on_change` is told how many are done, and the names of those running.

    An interruption stops what runs and takes effect afterwards.
    """
    waiting = deque(tasks)
    running: list[_Running] = []
    rows: dict[Task, Row] = {}
    backend = BACKENDS["cpu"]
    environment = {**os.environ, **backend.jax_environment(), **backend.iree_environment()}
    with Interruptions() as interruptions:
        while (waiting or running) and not interruptions.received:
            while waiting and len(running) < jobs:
                task = waiting.popleft()
                order = msgspec.json.encode(task).decode()
                running.append(
                    _Running(task, Child([*command, order], environment, marker=MARKER.encode()), time.monotonic())
                )
                on_change(len(rows), [r.task.name for r in running])
            for one in list(running):
                row = _row_of(one, timeout_s)
                if row is not None:
                    rows[one.task] = row
                    running.remove(one)
                    on_change(len(rows), [r.task.name for r in running])
        for one in running:
            one.child.stop(hurry=lambda: len(interruptions.received) > 1)
    return [rows[task] for task in tasks if task in rows]


def _row_of(one: _Running, timeout_s: float) -> Row | None:
    """The row of a process that has ended or has to; None while it runs."""
    ended = one.child.wait(_POLL_S)
    seconds = time.monotonic() - one.started
    if not ended:
        if seconds <= timeout_s:
            return None
        one.child.stop()
        return Row(one.task.case, one.task.dtype, None, f"no end after {timeout_s:g} s", seconds)
    code, marked = one.child.returncode, one.child.out.marked
    if code == 0 and marked is not None:
        try:
            finding = msgspec.convert(json.loads(marked[len(MARKER) :]), Finding)
        except (ValueError, msgspec.ValidationError):
            return Row(one.task.case, one.task.dtype, None, "its answer cannot be read", seconds)
        return Row(one.task.case, one.task.dtype, finding, "", seconds)
    last = (one.child.err.tail.strip().splitlines() or ["it said nothing"])[-1]
    how = f"killed by {signal_name(-code)}" if code < 0 else f"exit code {code}"
    return Row(one.task.case, one.task.dtype, None, f"{how}: {last}", seconds)
