"""Everything that is to be examined, shared out to processes, with what the journal holds already left out."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.run.backends import BACKENDS
from harness.system.jobs import Job, JobOutcome, run_jobs
from harness.system.process import run_module
from harness.validation.power.clean import PAIRS
from harness.validation.power.faults import CASES
from harness.validation.power.journal import Journal, Row
from harness.validation.power.localization import CHOSEN
from harness.validation.power.tally import is_readable
from harness.validation.power.worker import Order
from harness.validation.variations import VARIATIONS

WORKER = run_module("harness.validation.power.worker")
AT_A_TIME = 24  # faults of one process; they share the clean programs of their network


@dataclass(frozen=True)
class Target:
    """One thing to examine. `batch`: those alike may share a process. `environment`: of that process."""

    kind: str
    name: str
    batch: str
    environment: tuple[tuple[str, str], ...] = ()


TARGETS = (
    *(Target("mutants", case.name, f"{case.network} {case.side}") for case in CASES),
    *(Target("clean", p.name, f"{p.network} {p.variation}", VARIATIONS[p.variation].environment) for p in PAIRS),
    *(Target("localization", case.name, f"{case.network} {case.side}") for case in CHOSEN),
)


class Campaign:
    """Runs targets and keeps their rows in a journal. `worker`: the command that examines them.

    `is_readable`: whether the finding of a row is one of its kind.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        folder: Path,
        worker: Sequence[str] = WORKER,
        is_readable: Callable[[Row], bool] = is_readable,
    ) -> None:
        self._worker, self._is_readable = worker, is_readable
        self._targets = {(target.kind, target.name): target for target in targets}
        self._journal = Journal(folder / "journal.jsonl")
        backend = BACKENDS["cpu"]
        self._environment = {**backend.jax_environment(), **backend.iree_environment(), "JAX_ENABLE_X64": "1"}
        # Norms of tensors are short sums, for which threads of several processes only wait for each other.
        self._environment["OPENBLAS_NUM_THREADS"] = "1"

    def prepare(self) -> None:
        """Make the folder. Raises: HarnessError when nothing can be written there."""
        folder = self._journal.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\n")
        except OSError as error:
            what = error.strerror or error
            raise HarnessError(f"{folder}: cannot be written: {what}. Give another folder with --out.") from None

    def start_anew(self) -> None:
        """Forget all rows."""
        self._journal.path.unlink(missing_ok=True)

    @property
    def missing(self) -> list[Target]:
        """Targets without a row."""
        done = self._done()
        return [target for key, target in self._targets.items() if key not in done]

    @property
    def rows(self) -> list[Row]:
        """In the order of the targets."""
        done = self._done()
        return [done[key] for key in self._targets if key in done]

    def _done(self) -> dict[tuple[str, str], Row]:
        """Rows that are what they say; any other is examined again."""
        return {key: row for key, row in self._journal.rows().items() if self._is_readable(row)}

    def run(self, processes: int, timeout_s: float, on_change: Callable[[int, Sequence[str]], None]) -> None:
        """Examine what is missing. A process that dies or hangs leaves a row that says so; its others are done anew."""
        begun = len(self.missing)

        def told(_: int, running: Sequence[str]) -> None:
            on_change(begun - len(self.missing), running)

        run_jobs(self._jobs(self.missing), processes, timeout_s, told, self._after)

    def _jobs(self, targets: Sequence[Target]) -> list[Job]:
        jobs = []
        groups: dict[tuple[str, str], list[Target]] = {}
        for target in targets:
            groups.setdefault((target.kind, target.batch), []).append(target)
        for alike in groups.values():
            size = len(alike) if alike[0].kind == "clean" else AT_A_TIME
            jobs += [self._job(alike[start : start + size]) for start in range(0, len(alike), size)]
        return jobs

    def _job(self, targets: Sequence[Target]) -> Job:
        first = targets[0]
        order = Order(first.kind, tuple(target.name for target in targets), str(self._journal.path))
        command = (*self._worker, msgspec.json.encode(order).decode())
        return Job(f"{first.kind} {first.batch}", command, {**self._environment, **dict(first.environment)})

    def _after(self, outcome: JobOutcome) -> list[Job]:
        """The rest of a job that did not finish; the first target of it is what ended it."""
        order = msgspec.json.decode(outcome.job.command[-1], type=Order)
        done = self._done()
        left = [self._targets[order.kind, name] for name in order.names if (order.kind, name) not in done]
        if not left:
            return []
        fatal, *rest = left
        self._journal.write(Row(fatal.kind, fatal.name, None, outcome.trouble or "no row", outcome.seconds))
        return self._jobs(rest)


def default_processes() -> int:
    """One a core that may be used."""
    return len(os.sched_getaffinity(0))
