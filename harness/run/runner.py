"""Runs the cells of a verification, one after another; a cell that fails is a result and not an error."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from harness.data.dataset import DataChoice, resolve_data
from harness.errors import EmitError
from harness.run.backends import BACKENDS, presence
from harness.run.cell import Cell
from harness.run.cell_plan import CellPlan
from harness.run.contract import DTYPE, INIT_LOAD, MAX_STEPS, NO_SHUFFLE, RUN_STEPS, STATE_OUT, TRACE_CHANNELS
from harness.run.execute import refuse, run_cell, unwritable
from harness.run.kept import find_ended, find_kept
from harness.run.lockstep import run_lockstep as run_both
from harness.run.policy import Policy
from harness.run.probing import Presence
from harness.run.programs import Program, compile_only, external_program, prepare
from harness.run.progress import CellProgress
from harness.run.provenance import provenance
from harness.run.saved_states import SavedStates
from harness.run.start_file import StartFile, write_start
from harness.run.verification import Verification
from harness.spec.run_config import Start
from harness.system.lock import exclusive
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.planned import write_planned
from harness.trace.store import StoredCell


@contextmanager
def prepared(verification: Verification) -> Iterator["Runner"]:
    """The runner of a verification, with what its cells share; no other writes to its output directory meanwhile.

    Raises: HarnessError for unusable input.
    """
    model, seed = verification.model, verification.run.init_seed
    data = resolve_data(verification.data, model.spec.dataset, model.spec.input_shape)
    verification.planned_steps(data.examples)  # refuses data that do not make one batch, before anything runs
    for name in verification.backend_names:
        BACKENDS[name].iree_environment()  # and a variable that names a device of no row
    build = verification.out / "build"
    busy = f"{verification.out}: another verify is writing there. Wait for it, or choose another --out."
    with exclusive(build, busy):
        starts = {start: write_start(build, model, seed, start) for start in get_args(Start)}
        yield Runner(verification, data, build, starts)


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

    def run_lockstep(
        self,
        cell: Cell,
        followed: tuple[Verification, Cell],
        policy: Policy,
        progress: CellProgress,
        *,
        asked: bool,
        saved: SavedStates | None = None,
    ) -> tuple[StoredCell, StoredCell]:
        """Run a cell and its follower at a time. Where the follower cannot run, or has run, the leader runs alone."""
        following, follower = followed
        second = self.prepare_cell(following, follower, policy, progress, asked=asked)
        if isinstance(second, StoredCell):
            return self.run(self.verification, cell, policy, progress, asked=asked, saved=saved), second
        # A leader that has run is run again: its states are gone.
        first = self.prepare_cell(self.verification, cell, replace(policy, resume=False), progress, asked=asked)
        if isinstance(first, StoredCell):
            why = f"its leader {first.name} is {first.manifest.status}"
            return first, self.stored(second, refuse(second, why))
        names = [self.name_of(self.verification, cell), self.name_of(following, follower)]
        with (
            progress.running(names[0], first.planned_steps) as on_first,
            progress.running(names[1], second.planned_steps) as on_second,
        ):
            ran = run_both(first, second, following.segment, on_first, on_second, saved)
        if ran.no_states:
            second = replace(second, facts=following.facts(follower, absent=True, asked=False))
            return self.stored(first, ran.leader), self.stored(second, refuse(second, _no_states(cell)))
        return self.stored(first, ran.leader, saved), self.stored(second, ran.follower)

    def write_planned(self, cells: Iterable[CellFacts]) -> None:
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
        saved: SavedStates | None = None,
    ) -> StoredCell:
        """Run one cell, or record what is the matter with it. `verification`: this one, or of its evidence.

        `saved`: the states that are wanted of it.
        """
        plan = self.prepare_cell(verification, cell, policy, progress, asked=asked)
        if isinstance(plan, StoredCell):
            return plan
        if saved is not None:
            plan = replace(plan, environment={**plan.environment, **saved.environment})
        with progress.running(self.name_of(verification, cell), plan.planned_steps) as on_progress:
            return self.stored(plan, run_cell(plan, on_progress), saved)

    def prepare_cell(
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
                why = f"{compile_only(cell, self.build)}: {why}"
            if policy.resume and (ended := find_ended(plan)):
                return self.stored(plan, ended)  # the device went away after it had run
            plan = replace(plan, facts=verification.facts(cell, absent=True, asked=asked))
            return self.stored(plan, refuse(plan, why))
        reason = policy.refusal()
        if reason and not (policy.resume and find_ended(plan)):
            return self.stored(plan, refuse(plan, reason))
        try:
            with progress.preparing(self.name_of(verification, cell)):
                program = self._prepare(cell)
        except EmitError as error:
            return self.stored(plan, refuse(plan, str(error)))
        plan = self._plan(verification, plan, program, present)
        if policy.resume and (kept := find_kept(plan)):
            return self.stored(plan, kept)
        if reason:
            return self.stored(plan, refuse(plan, reason))
        return replace(plan, timeout_s=min(plan.timeout_s, policy.longest_s()))

    @staticmethod
    def name_of(verification: Verification, cell: Cell) -> str:
        """The cell for people who wait for it."""
        facts = verification.facts(cell)
        run = f"{facts.model} {facts.short_name}"
        if not verification.is_evidence:
            return run
        if facts.follows is not None:
            return f"{run} in lockstep"
        if facts.states_of is not None:
            near = ", an ulp away" if facts.ulp_seed is not None else ""
            return f"{run} in {facts.dtype} from states of {facts.states_of}{near}"
        precision = "wide arithmetic" if facts.dtype == "wide" else facts.dtype
        return f"{run} in {precision}{', stressed' if facts.start == 'stressed' else ''}"

    def stored(self, plan: CellPlan, manifest: Manifest, saved: SavedStates | None = None) -> StoredCell:
        facts = plan.facts
        assert facts is not None
        if saved is not None:
            manifest = saved.keep(plan, manifest)
        return StoredCell(facts, manifest, plan.trace, self.verification.out)

    def _prepare(self, cell: Cell) -> Program:
        external = next((e for e in self.verification.externals if e.name == cell.pipeline), None)
        return prepare(cell, self.build) if external is None else external_program(external, cell)

    def _plan(self, verification: Verification, plan: CellPlan, program: Program, present: Presence) -> CellPlan:
        run = verification.run
        start = self.starts[run.start]
        if not start.is_whole:
            write_start(self.build, verification.model, run.init_seed, run.start)
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
        if run.run_steps is not None:
            environment[RUN_STEPS] = run.run_steps
        elif run.steps is not None:
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
            | verification.model.provenance
            | {
                "netspec_name": verification.model.spec.name,
                "netspec_hash": verification.model.spec.netspec_hash(),
                "planned_steps": planned,
            },
            inputs=inputs,
        )


def _no_states(leader: Cell) -> str:
    return f"not run in lockstep: {leader.pipeline} wrote no state to {STATE_OUT}"
