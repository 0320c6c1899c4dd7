"""`harness verify`: train one network with every pipeline on every backend there is, and judge each pair of runs."""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.backends import BACKENDS, Presence, presence
from harness.cells import Cell
from harness.controls import CONTROLS
from harness.data.dataset import DataChoice, resolve_data
from harness.errors import ContractError, EmitError
from harness.initbin import write_init
from harness.pairs import explain_pairs, judge_pairs, split_squares
from harness.pipelines import PIPELINES, Pipeline, Program, external_program
from harness.run.cell import CellPlan, refuse, run_cell
from harness.run.contract import INIT_LOAD, MAX_STEPS, NO_SHUFFLE, TRACE_CHANNELS
from harness.run.progress import CellProgress
from harness.run.provenance import provenance
from harness.verification import CellResult, Options, Outcome


def verify(options: Options) -> Outcome:
    """Run all cells one after another and judge every pair that differs in one factor.

    Raises: HarnessError for unusable input; a cell that fails is a result and not an error.
    """
    data = resolve_data(options.data, options.model.spec.dataset, options.model.spec.input_shape)
    options.planned_steps(data.examples)  # refuses data that do not make one batch, before anything runs
    build = options.out / "build"
    build.mkdir(parents=True, exist_ok=True)
    with _alone(build):
        for report in options.reports:
            report.unlink(missing_ok=True)  # nothing of an earlier run may pass for this one
        init = build / f"{options.model.name}{options.model.resized}.s{options.init_seed}.init.bin"
        init_sha256 = write_init(init, options.model.graph.params, options.init_seed)
        results = []
        with CellProgress() as progress:
            for cell, asked in _cells(options):
                results.append(_run(options, cell, asked, build, init, data, progress))
            rungs = [_run(rung, cell, True, build, init, data, progress) for rung, cell in _rungs(options, results)]
            rows = list(judge_pairs(options, results, rungs))
            with progress.preparing("why pairs differ"):
                rows = list(explain_pairs(options, rows, rungs, data.folder))
        squares = tuple(split_squares(options, results)) if options.square else ()
        return Outcome(options, data, init_sha256, tuple(results), tuple(rows), squares, tuple(rungs))


@contextmanager
def _alone(build: Path) -> Iterator[None]:
    """Two at once would write the same files. The system gives the lock back, however this process ends."""
    with (build / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ContractError(
                f"{build.parent}: another verify is writing there. Wait for it, or choose another folder with --out."
            ) from None
        yield


def _pipelines(options: Options) -> dict[str, Pipeline]:
    return PIPELINES | (CONTROLS if options.square else {})


def _cells(options: Options) -> Iterable[tuple[Cell, bool]]:
    """Every pipeline on every backend; those that the user did not name are tried all the same."""
    names = options.backends or tuple(BACKENDS)
    for backend in names:
        for pipeline in _pipelines(options):
            yield options.cell(pipeline, backend), options.backends is not None
    for external in options.externals:
        yield options.cell(external.name, names[0]), True


def _rungs(options: Options, results: Sequence[CellResult]) -> Iterator[tuple[Options, Cell]]:
    """The cells of the precision ladder: for f32 pairs of pipelines on the CPU, which is where f64 runs."""
    names = [r.cell.pipeline for r in results if r.cell.backend == "cpu" and r.manifest.status == "complete"]
    ours = [name for name in _pipelines(options) if name in names]
    if options.ladder and options.dtype == "f32" and len(ours) > 1:
        for name in ours:
            yield options.rung, options.rung.cell(name, "cpu")


def _run(
    options: Options, cell: Cell, asked: bool, build: Path, init: Path, data: DataChoice, progress: CellProgress
) -> CellResult:
    plan = CellPlan(cell.name, (), options.folder, cell.backend, cell.pipeline)
    name = cell.short_name if not options.is_evidence else f"{cell.short_name} in {cell.dtype}"
    present = presence(cell.backend, cell.pipeline)
    if not present:
        reason = present.reason
        if cell.pipeline == "phase3" and options.compile_all:
            reason = f"{_compile_only(cell, build)}: {reason}"
        return CellResult(cell, plan, refuse(plan, reason), absent=True, asked=asked)
    external = next((e for e in options.externals if e.name == cell.pipeline), None)
    try:
        with progress.preparing(name):
            if external:
                program = external_program(external, cell)
            else:
                program = _pipelines(options)[cell.pipeline].prepare(cell, build)
    except EmitError as error:
        return CellResult(cell, plan, refuse(plan, str(error)), asked=asked)
    plan = _plan(options, plan, program, init, data, present)
    with progress.running(name, plan.planned_steps) as on_progress:
        return CellResult(cell, plan, run_cell(plan, on_progress), asked=asked)


def _plan(
    options: Options, plan: CellPlan, program: Program, init: Path, data: DataChoice, present: Presence
) -> CellPlan:
    environment = {**program.environment, INIT_LOAD: str(init), TRACE_CHANNELS: options.channels}
    if not options.shuffle:
        environment[NO_SHUFFLE] = "1"
    planned = options.planned_steps(data.examples)
    if options.steps is not None:
        environment[MAX_STEPS] = str(planned)
    return replace(
        plan,
        command=tuple(word.replace("{data}", str(data.folder)) for word in program.command),
        environment=environment,
        planned_steps=planned,
        timeout_s=options.timeout_s,
        obeys_step_limit=program.obeys_step_limit,
        provenance=provenance(environment, present.device, present) | program.provenance,
    )


def _compile_only(cell: Cell, build: Path) -> str:
    try:
        PIPELINES[cell.pipeline].prepare(cell, build)
    except EmitError as error:
        return f"does not compile ({error})"
    return "compiled, not run"
