"""`harness verify`: train one network with every pipeline on every backend there is, and judge each pair of runs."""

import fcntl
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.backends import BACKENDS, Presence, presence
from harness.cells import FACTORS, Cell, relation
from harness.compare import Comparison, Judging, compare
from harness.controls import CONTROLS
from harness.data.batches import steps_per_epoch
from harness.data.dataset import DataChoice, resolve_data
from harness.errors import ContractError, EmitError
from harness.initbin import write_init
from harness.manifest import Manifest
from harness.models import Model
from harness.pipelines import PIPELINES, Pipeline, Program, external_program
from harness.recording import Recording, read_recording
from harness.report import PairRow, judge_pair
from harness.run.cell import DEFAULT_TIMEOUT_S, CellPlan, refuse, run_cell
from harness.run.contract import INIT_LOAD, MAX_STEPS, NO_SHUFFLE, TRACE_CHANNELS
from harness.run.external import External
from harness.run.known_trouble import trouble_by_id
from harness.run.progress import CellProgress
from harness.run.provenance import provenance
from harness.spec import DType
from harness.trace import one_line
from harness.verdict import Verdict
from harness.verdict.ladder import RUNG_STEPS
from harness.verdict.square import Square, split_square


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks of verify. `backends` None: all that are present. `steps` None: the whole training."""

    model: Model
    out: Path
    backends: tuple[str, ...] | None = None
    steps: int | None = None
    dtype: DType = "f32"
    profile: str = "shared"
    init_seed: int = 42
    data: str | None = None
    judging: Judging = field(default_factory=Judging)
    shuffle: bool = False
    eager: bool = False
    channels: str = "default"
    compile_all: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    ladder: bool = True
    is_evidence: bool = False
    externals: tuple[External, ...] = ()
    square: bool = False

    @property
    def folder(self) -> Path:
        """Where traces go; those of cells that are evidence for others, into a folder in it."""
        return self.out / "traces" / ("evidence" if self.is_evidence else "")

    @property
    def rung(self) -> "Options":
        """The next rung of the precision ladder: the first steps again, in f64 on the CPU, looked at closely."""
        steps = RUNG_STEPS if self.steps is None else min(RUNG_STEPS, self.steps)
        rung = replace(self, dtype="f64", steps=steps, channels="all", eager=False)
        return replace(rung, ladder=False, is_evidence=True)

    def planned_steps(self, examples: int) -> int:
        """Steps of every cell, given the number of training images."""
        whole = self.model.config.epochs * steps_per_epoch(examples, self.model.config.batch_size)
        return whole if self.steps is None else min(self.steps, whole)

    @property
    def stem(self) -> str:
        """Name of the report: the model, and what is off its default."""
        return self.model.name + (".shuf" if self.shuffle else "") + self.cell("phase2", "cpu").suffix

    @property
    def reports(self) -> list[Path]:
        """The reports, for people and for programs."""
        return [self.out / "reports" / f"{self.stem}.{suffix}" for suffix in ("md", "json")]

    def cell(self, pipeline: str, backend: str) -> Cell:
        """The cell of one pipeline on one backend."""
        eager = self.eager and pipeline == "phase2"
        return Cell(self.model, pipeline, backend, self.dtype, self.init_seed, self.profile, self.shuffle, eager)


@dataclass(frozen=True)
class CellResult:
    """A cell after its turn. `absent`: its backend is not here, and `asked` says whether the user named it."""

    cell: Cell
    plan: CellPlan
    manifest: Manifest
    absent: bool = False
    asked: bool = False

    @property
    def note(self) -> str:
        """What a table says of a cell that is not complete."""
        if self.manifest.status == "complete":
            return ""
        note = f"{self.manifest.status}: {self.manifest.reason}" if not self.absent else self.manifest.reason or ""
        said = self.manifest.stderr_tail.split("\n")
        if self.manifest.exit_code and (last := next((line for line in reversed(said) if line.strip()), "")):
            note += f" ({one_line(last.strip())})"
        if self.manifest.known_trouble is not None:
            trouble = trouble_by_id(self.manifest.known_trouble)
            note += f"; known trouble ({trouble.ticket}): {trouble.workaround}"
        return note


@dataclass(frozen=True)
class Outcome:
    """Everything that verify found. `rows` are the pairs, `squares` what they are together, by backend.

    `evidence`: cells that were run for the sake of others.
    """

    options: Options
    data: DataChoice
    init_sha256: str
    cells: tuple[CellResult, ...]
    rows: tuple[PairRow, ...]
    squares: tuple[Square, ...] = ()
    evidence: tuple[CellResult, ...] = ()


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
        rows = tuple(_judge(options, results, rungs))
        squares = tuple(_squares(options, results)) if options.square else ()
        return Outcome(options, data, init_sha256, tuple(results), rows, squares, tuple(rungs))


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


def _judge(options: Options, results: Sequence[CellResult], rungs: Sequence[CellResult] = ()) -> Iterable[PairRow]:
    """A row for every pair that differs in one factor; not for one with a backend that is absent and not asked for."""
    there = [result for result in results if result.asked or not result.absent]
    for left, right in itertools.combinations(there, 2):
        kind = relation(left.cell, right.cell)
        if kind is None:
            continue
        names = left.cell.short_name, right.cell.short_name
        notes = [f"{result.cell.short_name}: {result.note}" for result in (left, right) if result.note]
        if notes:
            missing = Verdict("INCONCLUSIVE", "cells", "; ".join(notes), None)
            yield PairRow(*names, verdict=missing, note="; ".join(notes), kind=kind)
        else:
            a, b = (_recording(options, result.plan) for result in (left, right))
            ladder = _ladder(options, left.cell, right.cell, rungs)
            yield replace(judge_pair(a, b, options.judging, kind, ladder), a=names[0], b=names[1])


def _ladder(options: Options, a: Cell, b: Cell, rungs: Sequence[CellResult]) -> Comparison | str | None:
    """The same pair in f64, or what is the matter with it; None when it was not run."""
    pair = [rung for cell in (a, b) for rung in rungs if rung.cell.pipeline == cell.pipeline]
    if len(pair) < 2 or {a.backend, b.backend} != {"cpu"} or a.pipeline == b.pipeline:
        return None
    if notes := [f"{rung.cell.name}: {rung.note}" for rung in pair if rung.note]:
        return "; ".join(notes)
    left, right = (_recording(options, rung.plan) for rung in pair)
    return compare(left, right)


def _squares(options: Options, results: Sequence[CellResult]) -> Iterable[Square]:
    """The square of every backend that has corners; one whose corners are not all complete says why."""
    for backend in dict.fromkeys(result.cell.backend for result in results):
        corners = [r for name in FACTORS for r in results if (r.cell.pipeline, r.cell.backend) == (name, backend)]
        if all(corner.absent and not corner.asked for corner in corners):
            continue
        notes = [f"{corner.cell.short_name}: {corner.note}" for corner in corners if corner.note]
        if notes:
            yield Square(backend, missing="; ".join(notes))
        else:
            traces = {corner.cell.short_name: _recording(options, corner.plan).trace for corner in corners}
            judged = options.judging.judged(min(trace.steps for trace in traces.values()))
            yield split_square(backend, traces, judged, options.judging.mode)


def _recording(options: Options, plan: CellPlan) -> Recording:
    """What a cell left, its path relative to `out`: a report tells nothing about the machine."""
    found = read_recording(plan.trace)
    return replace(found, trace=replace(found.trace, path=os.path.relpath(plan.trace, options.out)))
