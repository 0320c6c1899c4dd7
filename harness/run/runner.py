"""Runs the cells of a verification, one after another; a cell that fails is a result and not an error."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from harness.data.dataset import DataChoice, resolve_data
from harness.data.initial_parameters import write_init
from harness.errors import EmitError
from harness.run.backends import Presence, presence
from harness.run.cell import Cell
from harness.run.cell_plan import CellPlan
from harness.run.contract import DTYPE, INIT_LOAD, MAX_STEPS, NO_SHUFFLE, TRACE_CHANNELS
from harness.run.execute import refuse, run_cell, unwritable
from harness.run.kept import find_ended, find_kept
from harness.run.lockstep import run_lockstep
from harness.run.programs import Program, external_program, prepare
from harness.run.progress import CellProgress
from harness.run.provenance import provenance
from harness.run.publication import digest_of
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.spec.run_config import Start
from harness.system.lock import exclusive
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.planned import add_planned, write_planned
from harness.trace.store import StoredCell


@dataclass(frozen=True)
class Policy:
    """Choice of cells to run. `resume`: skip those that have run exactly so. `refusal`: reason why none may start now.

    `longest_s`: the seconds that a cell that starts now may take.
    """

    resume: bool = False
    refusal: Callable[[], str | None] = lambda: None
    longest_s: Callable[[], float] = lambda: math.inf


@dataclass(frozen=True)
class CellsOfRun:
    """Cells of a verification. `evidence`: cells that were run for the sake of others."""

    cells: tuple[StoredCell, ...]
    evidence: tuple[StoredCell, ...]


def run_single(verification: Verification, pipeline: str, backend: str) -> StoredCell:
    """Run one cell. Raises: HarnessError for unusable input."""
    with prepared(verification) as runner, CellProgress() as progress:
        cell = runner.run(verification, verification.cell(pipeline, backend), Policy(), progress)
        with unwritable(verification.folder):
            add_planned(verification.folder, verification.stem, cell.facts)
        return cell


def run_cells(verification: Verification, policy: Policy) -> CellsOfRun:
    """Run all cells, and leave the judging to others. Raises: HarnessError for unusable input."""
    with prepared(verification) as runner, CellProgress() as progress:
        return runner.run_all(policy, progress)


@contextmanager
def prepared(verification: Verification) -> Iterator["Runner"]:
    """The runner of a verification, with what its cells share; no other writes to its output directory meanwhile.

    Raises: HarnessError for unusable input.
    """
    model, seed = verification.model, verification.run.init_seed
    data = resolve_data(verification.data, model.spec.dataset, model.spec.input_shape)
    verification.planned_steps(data.examples)  # refuses data that do not make one batch, before anything runs
    build = verification.out / "build"
    busy = f"{verification.out}: another verify is writing there. Wait for it, or choose another --out."
    with exclusive(build, busy):
        starts = {start: _write_start(build, model, seed, start) for start in get_args(Start)}
        yield Runner(verification, data, build, starts)


@dataclass(frozen=True)
class StartFile:
    """Initial parameters that cells start from, and their digest."""

    path: Path
    sha256: str

    @property
    def is_whole(self) -> bool:
        """False when the program before has changed it, or somebody else."""
        try:
            return digest_of(self.path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Runner:
    """Runs the cells of a verification. `build`: where programs go; `starts`: the initial parameters."""

    verification: Verification
    data: DataChoice
    build: Path
    starts: Mapping[Start, StartFile]

    @property
    def init_sha256(self) -> str:
        """Digest of the initial parameters of the verification's own cells."""
        return self.starts[self.verification.run.start].sha256

    def run_all(self, policy: Policy, progress: CellProgress) -> CellsOfRun:
        """Run every cell, and those that are evidence for them: lockstep runs beside their leaders, the rest after."""
        asked_for, examples = self.verification, self.data.examples
        self._write_planned(asked_for.planned_facts(examples))
        cells, evidence = [], []
        for cell, asked in asked_for.planned_cells():
            followed = asked_for.follower(cell, examples)
            if followed is None or not presence(cell.backend, followed[1].pipeline):
                cells.append(self.run(asked_for, cell, policy, progress, asked=asked))
            else:
                leader, follower = self._run_lockstep(cell, followed, policy, progress, asked=asked)
                cells.append(leader)
                evidence.append(follower)
        evidence += [self.run(one, cell, policy, progress) for one, cell in asked_for.planned_evidence(cells)]
        self._write_planned(cell.facts for cell in (*cells, *evidence))
        return CellsOfRun(tuple(cells), tuple(evidence))

    def _run_lockstep(
        self,
        cell: Cell,
        followed: tuple[Verification, Cell],
        policy: Policy,
        progress: CellProgress,
        *,
        asked: bool,
    ) -> tuple[StoredCell, StoredCell]:
        """Run a cell and its follower at a time. Where the follower cannot run, or has run, the leader runs alone."""
        following, follower = followed
        second = self._prepared(following, follower, policy, progress, asked=asked)
        if isinstance(second, StoredCell):
            return self.run(self.verification, cell, policy, progress, asked=asked), second
        # A leader that has run is run again: its states are gone.
        first = self._prepared(self.verification, cell, replace(policy, resume=False), progress, asked=asked)
        if isinstance(first, StoredCell):
            why = f"its leader {first.name} is {first.manifest.status}"
            return first, self._stored(second, refuse(second, why))
        names = [self._name(self.verification, cell), self._name(following, follower)]
        with (
            progress.running(names[0], first.planned_steps) as on_first,
            progress.running(names[1], second.planned_steps) as on_second,
        ):
            ran = run_lockstep(first, second, following.segment, on_first, on_second)
        return self._stored(first, ran.leader), self._stored(second, ran.follower)

    def _write_planned(self, cells: Iterable[CellFacts]) -> None:
        """Say beside the cells which are of this run. Raises: TraceError."""
        with unwritable(self.verification.folder):
            write_planned(self.verification.folder, self.verification.stem, cells)

    def run(
        self,
        verification: Verification,
        cell: Cell,
        policy: Policy,
        progress: CellProgress,
        *,
        asked: bool = True,
    ) -> StoredCell:
        """Run one cell, or record what is the matter with it. `verification`: this one, or of its evidence."""
        plan = self._prepared(verification, cell, policy, progress, asked=asked)
        if isinstance(plan, StoredCell):
            return plan
        with progress.running(self._name(verification, cell), plan.planned_steps) as on_progress:
            return self._stored(plan, run_cell(plan, on_progress))

    def _prepared(
        self,
        verification: Verification,
        cell: Cell,
        policy: Policy,
        progress: CellProgress,
        *,
        asked: bool = True,
    ) -> CellPlan | StoredCell:
        """The plan of a cell that is to run now; or the cell, with what is the matter with it or as it has run."""
        facts = verification.facts(cell, asked=asked)
        plan = CellPlan(cell.name, (), verification.folder, facts=facts)
        present = presence(cell.backend, cell.pipeline)
        if not present:
            why = present.reason
            if cell.pipeline == "phase3" and verification.compile_all:
                why = f"{_compile_only(cell, self.build)}: {why}"
            if policy.resume and (ended := find_ended(plan)):
                return self._stored(plan, ended)  # the device went away after it had run
            plan = replace(plan, facts=verification.facts(cell, absent=True, asked=asked))
            return self._stored(plan, refuse(plan, why))
        reason = policy.refusal()
        if reason and not (policy.resume and find_ended(plan)):
            return self._stored(plan, refuse(plan, reason))
        try:
            with progress.preparing(self._name(verification, cell)):
                program = self._prepare(cell)
        except EmitError as error:
            return self._stored(plan, refuse(plan, str(error)))
        plan = self._plan(verification, plan, program, present)
        if policy.resume and (kept := find_kept(plan)):
            return self._stored(plan, kept)
        if reason:
            return self._stored(plan, refuse(plan, reason))
        return replace(plan, timeout_s=min(plan.timeout_s, policy.longest_s()))

    @staticmethod
    def _name(verification: Verification, cell: Cell) -> str:
        """The cell for people who wait for it."""
        facts = verification.facts(cell)
        run = f"{facts.model} {facts.short_name}"
        if not verification.is_evidence:
            return run
        if facts.follows is not None:
            return f"{run} in lockstep"
        precision = "wide arithmetic" if facts.dtype == "wide" else facts.dtype
        return f"{run} in {precision}{', stressed' if facts.start == 'stressed' else ''}"

    def _stored(self, plan: CellPlan, manifest: Manifest) -> StoredCell:
        facts = plan.facts
        assert facts is not None
        return StoredCell(facts, manifest, plan.trace, self.verification.out)

    def _prepare(self, cell: Cell) -> Program:
        external = next((e for e in self.verification.externals if e.name == cell.pipeline), None)
        return prepare(cell, self.build) if external is None else external_program(external, cell)

    def _plan(self, verification: Verification, plan: CellPlan, program: Program, present: Presence) -> CellPlan:
        run = verification.run
        start = self.starts[run.start]
        if not start.is_whole:
            _write_start(self.build, verification.model, run.init_seed, run.start)
        inputs = {"init_sha256": start.sha256, "data_sha256": self.data.data_sha256}
        environment = {
            **program.environment,
            INIT_LOAD: str(start.path),
            TRACE_CHANNELS: run.channels,
            DTYPE: run.dtype,
        }
        if not run.shuffle:
            environment[NO_SHUFFLE] = "1"
        planned = verification.planned_steps(self.data.examples)
        if run.steps is not None:
            environment[MAX_STEPS] = str(planned)
        return replace(
            plan,
            command=tuple(word.replace("{data}", str(self.data.folder)) for word in program.command),
            environment=environment,
            planned_steps=planned,
            timeout_s=verification.timeout_s,
            obeys_step_limit=program.obeys_step_limit,
            provenance=provenance(environment, present.device, present)
            | program.provenance
            | inputs
            | {
                "netspec_name": verification.model.spec.name,
                "netspec_hash": verification.model.spec.netspec_hash(),
                "planned_steps": planned,
            },
            inputs=inputs,
        )


def _write_start(build: Path, model: Model, seed: int, start: Start) -> StartFile:
    """Write the initial parameters that cells start from, for reading only."""
    path = build / f"{model.name}{model.resized}.s{seed}{'' if start == 'drawn' else f'.{start}'}.init.bin"
    sha256 = write_init(path, model.graph.params, seed, start)
    path.chmod(0o444)
    return StartFile(path, sha256)


def _compile_only(cell: Cell, build: Path) -> str:
    try:
        prepare(cell, build)
    except EmitError as error:
        return f"does not compile ({error})"
    return "compiled, not run"
