"""Runs a process for every case and dtype, a few at a time; whatever becomes of one is a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from harness.run.backends import BACKENDS
from harness.system.jobs import Job, JobOutcome, run_jobs
from harness.system.process import run_module
from harness.validation.oracle.examination import OracleFinding
from harness.validation.oracle.worker import OracleTask


@dataclass(frozen=True)
class OracleRow:
    """The outcome of one task: a finding, or in `trouble` why there is none."""

    case: str
    dtype: str
    finding: OracleFinding | None
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


def run_tasks(
    tasks: Sequence[OracleTask],
    jobs: int,
    timeout_s: float,
    on_change: Callable[[int, Sequence[str]], None],
    command: Sequence[str] = run_module("harness.validation.oracle.worker"),
) -> list[OracleRow]:
    """One row a task, in the order of the tasks. `on_change` is told how many are done, and the names of those running.

    An interruption stops what runs and takes effect afterwards.
    """
    backend = BACKENDS["cpu"]
    environment = {**backend.jax_environment(), **backend.iree_environment()}
    work = [Job(task.name, (*command, msgspec.json.encode(task).decode()), environment) for task in tasks]
    outcomes = {outcome.job.name: outcome for outcome in run_jobs(work, jobs, timeout_s, on_change)}
    return [_row(task, outcomes[task.name]) for task in tasks if task.name in outcomes]


def _row(task: OracleTask, outcome: JobOutcome) -> OracleRow:
    finding, trouble = None, outcome.trouble
    if not trouble:
        try:
            finding = msgspec.convert(outcome.answer, OracleFinding)
        except msgspec.ValidationError:
            trouble = "its answer cannot be read"
    return OracleRow(task.case, task.dtype, finding, trouble, outcome.seconds)
