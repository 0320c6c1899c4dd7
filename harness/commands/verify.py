"""`harness verify`: train one network with every pipeline on every backend there is, and judge each pair of runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.dataset import DataChoice, resolve_data
from harness.data.initial_parameters import write_init
from harness.errors import EmitError
from harness.run.backends import BACKENDS, Presence, presence
from harness.run.cell import Cell
from harness.run.contract import INIT_LOAD, MAX_STEPS, NO_SHUFFLE, TRACE_CHANNELS
from harness.run.controls import CONTROLS
from harness.run.execute import CellPlan, refuse, run_cell
from harness.run.kept import find_ended, find_kept
from harness.run.pipelines import PIPELINES, Pipeline, Program, external_program
from harness.run.progress import CellProgress
from harness.run.provenance import provenance
from harness.run.verification import Options, Verification
from harness.system.lock import exclusive
from harness.trace.manifest import Manifest
from harness.trace.store import ShelvedCell
from harness.verdict.pairs import explain_pairs, judge_pairs, split_factorials


@dataclass(frozen=True)
class Policy:
    """The cells that run. `resume`: not those that have run exactly so. `refusal`: why no other may start now, if so.

    `longest_s`: how long a cell that starts now may take.
    """

    resume: bool = False
    refusal: Callable[[], str | None] = lambda: None
    longest_s: Callable[[], float] = lambda: math.inf


def verify(options: Options, policy: Policy = Policy()) -> Verification:
    """Run all cells one after another and judge every pair that differs in one factor.

    Raises: HarnessError for unusable input; a cell that fails is a result and not an error.
    """
    with _prepared(options) as runner:
        for report in options.reports:
            report.unlink(missing_ok=True)  # nothing of an earlier run may pass for this one
        with CellProgress() as progress:
            cells, f64_cells = runner.run_all(policy, progress)
            rows = list(judge_pairs(cells, options.judging, f64_cells))
            with progress.preparing("why pairs differ"):
                rows = list(explain_pairs(rows, f64_cells, runner.data.folder))
        factorials = tuple(split_factorials(cells, options.judging)) if options.factorial else ()
        return Verification(
            options, runner.data, runner.init_sha256, tuple(cells), tuple(rows), factorials, tuple(f64_cells)
        )


def run_alone(options: Options, pipeline: str, backend: str) -> ShelvedCell:
    """Run one cell. Raises: as `verify`."""
    with _prepared(options) as runner, CellProgress() as progress:
        return runner.run(options, options.cell(pipeline, backend), Policy(), progress)


def run_cells(options: Options, policy: Policy) -> tuple[list[ShelvedCell], list[ShelvedCell]]:
    """Run the cells of a verification and of its f64 cross-check, without judging them. Raises: as `verify`."""
    with _prepared(options) as runner, CellProgress() as progress:
        return runner.run_all(policy, progress)


@contextmanager
def _prepared(options: Options) -> Iterator["_Runner"]:
    """The files that all cells of a verification share."""
    data = resolve_data(options.data, options.model.spec.dataset, options.model.spec.input_shape)
    options.planned_steps(data.examples)  # refuses data that do not make one batch, before anything runs
    build = options.out / "build"
    with exclusive(build, f"{options.out}: another verify is writing there. Wait for it, or choose another --out."):
        init = build / f"{options.model.name}{options.model.resized}.s{options.init_seed}.init.bin"
        yield _Runner(options, data, build, init, write_init(init, options.model.graph.params, options.init_seed))


@dataclass(frozen=True)
class _Runner:
    """Runs the cells of a verification. `build`: where programs go; `init`: the initial parameters."""

    options: Options
    data: DataChoice
    build: Path
    init: Path
    init_sha256: str

    def run_all(self, policy: Policy, progress: CellProgress) -> tuple[list[ShelvedCell], list[ShelvedCell]]:
        """Every cell, and every cell of the f64 cross-check."""
        options = self.options
        cells = [self.run(options, cell, policy, progress, asked=asked) for cell, asked in planned_cells(options)]
        f64_cells = [self.run(of_f64, cell, policy, progress) for of_f64, cell in planned_f64_cells(options, cells)]
        return cells, f64_cells

    def run(
        self, options: Options, cell: Cell, policy: Policy, progress: CellProgress, *, asked: bool = True
    ) -> ShelvedCell:
        """One cell, or what is the matter with it. `options`: of the verification or of its f64 cross-check."""
        facts = options.facts(cell, asked=asked)
        plan = CellPlan(cell.name, (), options.folder, cell.backend, cell.pipeline, facts=facts)
        name = f"{facts.model} {facts.short_name}{f' in {cell.dtype}' if options.is_evidence else ''}"
        present = presence(cell.backend, cell.pipeline)
        if not present:
            why = present.reason
            if cell.pipeline == "phase3" and options.compile_all:
                why = f"{_compile_only(cell, self.build)}: {why}"
            if policy.resume and (ended := find_ended(plan)):
                return self._shelve(plan, ended)  # the device went away after it had run
            plan = replace(plan, facts=options.facts(cell, absent=True, asked=asked))
            return self._shelve(plan, refuse(plan, why))
        reason = policy.refusal()
        if reason and not (policy.resume and find_ended(plan)):
            return self._shelve(plan, refuse(plan, reason))
        try:
            with progress.preparing(name):
                program = self._prepare(cell)
        except EmitError as error:
            return self._shelve(plan, refuse(plan, str(error)))
        plan = self._plan(options, plan, program, present)
        if policy.resume and (kept := find_kept(plan)):
            return self._shelve(plan, kept)
        if reason:
            return self._shelve(plan, refuse(plan, reason))
        plan = replace(plan, timeout_s=min(plan.timeout_s, policy.longest_s()))
        with progress.running(name, plan.planned_steps) as on_progress:
            return self._shelve(plan, run_cell(plan, on_progress))

    def _shelve(self, plan: CellPlan, manifest: Manifest) -> ShelvedCell:
        facts = plan.facts
        assert facts is not None
        return ShelvedCell(facts, manifest, plan.trace, self.options.out)

    @property
    def _inputs(self) -> dict[str, str]:
        return {"init_sha256": self.init_sha256, "data_sha256": self.data.data_sha256}

    def _prepare(self, cell: Cell) -> Program:
        external = next((e for e in self.options.externals if e.name == cell.pipeline), None)
        if external is not None:
            return external_program(external, cell)
        return _pipelines(self.options)[cell.pipeline].prepare(cell, self.build)

    def _plan(self, options: Options, plan: CellPlan, program: Program, present: Presence) -> CellPlan:
        environment = {**program.environment, INIT_LOAD: str(self.init), TRACE_CHANNELS: options.channels}
        if not options.shuffle:
            environment[NO_SHUFFLE] = "1"
        planned = options.planned_steps(self.data.examples)
        if options.steps is not None:
            environment[MAX_STEPS] = str(planned)
        return replace(
            plan,
            command=tuple(word.replace("{data}", str(self.data.folder)) for word in program.command),
            environment=environment,
            planned_steps=planned,
            timeout_s=options.timeout_s,
            obeys_step_limit=program.obeys_step_limit,
            provenance=provenance(environment, present.device, present) | program.provenance | self._inputs,
            inputs=self._inputs,
        )


def _pipelines(options: Options) -> dict[str, Pipeline]:
    return PIPELINES | (CONTROLS if options.factorial else {})


def planned_cells(options: Options) -> Iterable[tuple[Cell, bool]]:
    """Every pipeline on every backend; those that the user did not name are tried all the same."""
    names = options.backends or tuple(BACKENDS)
    for backend in names:
        for pipeline in _pipelines(options):
            yield options.cell(pipeline, backend), options.backends is not None
    for external in options.externals:
        yield options.cell(external.name, names[0]), True


def planned_f64_cells(options: Options, cells: Sequence[ShelvedCell]) -> Iterator[tuple[Options, Cell]]:
    """The cells of the f64 cross-check: for f32 pairs of pipelines on the CPU, which is where f64 runs."""
    names = [cell.facts.pipeline for cell in cells if cell.facts.backend == "cpu" and cell.complete]
    ours = [name for name in _pipelines(options) if name in names]
    if options.f64_check and options.dtype == "f32" and len(ours) > 1:
        for name in ours:
            yield options.of_f64_check, options.of_f64_check.cell(name, "cpu")


def _compile_only(cell: Cell, build: Path) -> str:
    try:
        PIPELINES[cell.pipeline].prepare(cell, build)
    except EmitError as error:
        return f"does not compile ({error})"
    return "compiled, not run"
