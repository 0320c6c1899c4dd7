"""Runs jobs in processes of their own, a few at a time; whatever becomes of one is an outcome."""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.system.masking import mask_secrets
from harness.system.process import Child, Interruptions, signal_name

MARKER = "answer: "
_POLL_S = 0.05


def answer(value: Any) -> None:
    """Print the answer of a job, from its process; by the standard library, since a NaN has to come through."""
    print(MARKER + json.dumps(value), flush=True)


@dataclass(frozen=True)
class Job:
    """A command line that prints its answer as JSON behind `answer: `. `name`: for people."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobOutcome:
    """Result of a job: its answer, or in `trouble` the reason why there is none."""

    job: Job
    answer: Any
    trouble: str
    seconds: float


@dataclass
class _Running:
    job: Job
    child: Child
    started: float


def run_jobs(
    jobs: Sequence[Job],
    processes: int,
    timeout_s: float,
    on_change: Callable[[int, Sequence[str]], None],
    on_outcome: Callable[[JobOutcome], Sequence[Job]] = lambda outcome: (),
) -> list[JobOutcome]:
    """Run the jobs; one outcome per job, as they end. `on_change` gets the number done and the names of those running.

    `on_outcome` gets each outcome and may return more jobs, which come before those that wait. An interruption stops
    what runs and takes effect afterwards.
    """
    waiting = deque(jobs)
    running: list[_Running] = []
    outcomes: list[JobOutcome] = []
    with Interruptions() as interruptions:
        while (waiting or running) and not interruptions.received:
            while waiting and len(running) < processes:
                job = waiting.popleft()
                child = Child(job.command, {**os.environ, **job.environment}, marker=MARKER.encode())
                running.append(_Running(job, child, time.monotonic()))
                on_change(len(outcomes), [r.job.name for r in running])
            for one in list(running):
                outcome = _outcome_of(one, timeout_s)
                if outcome is not None:
                    outcomes.append(outcome)
                    running.remove(one)
                    waiting.extendleft(reversed(on_outcome(outcome)))
                    on_change(len(outcomes), [r.job.name for r in running])
        for one in running:
            one.child.stop(hurry=lambda: len(interruptions.received) > 1)
    return outcomes


def _outcome_of(one: _Running, timeout_s: float) -> JobOutcome | None:
    """The outcome of a process that has ended or has to; None while it runs."""
    ended = one.child.wait(_POLL_S)
    seconds = time.monotonic() - one.started
    if not ended:
        if seconds <= timeout_s:
            return None
        one.child.stop()
        return JobOutcome(one.job, None, f"no end after {timeout_s:g} s", seconds)
    code, marked = one.child.returncode, one.child.out.marked
    if code == 0 and marked is not None:
        try:
            return JobOutcome(one.job, json.loads(marked[len(MARKER) :]), "", seconds)
        except ValueError:
            return JobOutcome(one.job, None, "its answer cannot be read", seconds)
    last = (one.child.err.tail.strip().splitlines() or ["it said nothing"])[-1]
    how = f"killed by {signal_name(-code)}" if code < 0 else f"exit code {code}"
    return JobOutcome(one.job, None, f"{how}: {mask_secrets(last)}", seconds)
