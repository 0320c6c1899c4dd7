"""`harness replay CELL`."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.commands.completion import complete_backend, complete_pipelines, complete_traces
from harness.commands.options import data_option, format_option
from harness.commands.paths import FilePath, FolderPath
from harness.commands.usage import FiniteRange

if TYPE_CHECKING:
    from harness.run.replay import ReplayRun
    from harness.spec.netspec import DType
    from harness.trace.store import StoredCell
    from harness.verdict.pair import PairRow


@click.command("replay")
@click.argument("cell", type=click.Path(path_type=Path), metavar="CELL", shell_complete=complete_traces)
@click.option(
    "--pipeline",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_pipelines,
    help="Take the steps in f32 by this pipeline; may be given several times. Default: phase2 and phase3.",
)
@click.option("--backend", default="cpu", show_default=True, metavar="NAME", shell_complete=complete_backend)
@click.option(
    "--dtype",
    type=click.Choice(["both", "f32", "f64"]),
    default="both",
    show_default=True,
    help="f32: held to the run itself. f64: both pipelines from its states, on the CPU, held to each other.",
)
@click.option(
    "--model",
    type=FilePath(),
    metavar="FILE",
    help="The file of the cell's network, where that is one of your own. It is run; no file that CELL names is.",
)
@data_option
@format_option("text", "json")
@click.option("--timeout", type=FiniteRange(min=0.1), metavar="SECONDS", help="Longest run of one cell.")
@click.option("--out", type=FolderPath(), metavar="FOLDER", help="Keep what was run here. Default: nowhere.")
def replay_command(
    cell: Path,
    pipeline: tuple[str, ...],
    backend: str,
    dtype: Literal["both", "f32", "f64"],
    model: Path | None,
    data: str | None,
    form: str,
    timeout: float | None,
    out: Path | None,
) -> None:
    """Take the steps behind the kept states of CELL again, here, and judge its run by them.

    CELL is the trace or the manifest of a run with kept states (`--keep-states N`), wherever it was run.

    Exit codes: 0 the run and its replays agree, 1 something differs, 2 usage or a damaged cell, 3 inconclusive.
    """
    from harness.errors import HarnessError, unknown
    from harness.report import as_json
    from harness.report.replay import for_terminal
    from harness.report.terminal import show
    from harness.run.backends import backend as find_backend
    from harness.run.pipelines import MAIN, PIPELINES
    from harness.run.replay import run_replay
    from harness.system.process import interruptible
    from harness.system.scratch import scratch
    from harness.trace.store import verified_cells
    from harness.verdict.pair import exit_code

    place = find_backend(backend)
    for name in pipeline:
        if name not in PIPELINES:
            raise click.BadParameter(unknown("pipeline", name, PIPELINES), param_hint="--pipeline")
        place.require(name)
    found = verified_cells([cell])
    if len(found) > 1:
        raise HarnessError(f"{cell}: {len(found)} cells, expected one. Name its trace.")
    interruptible()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch()) if out is None else out
        dtypes: tuple[DType, ...] = ("f32", "f64") if dtype == "both" else (dtype,)
        taken_by = pipeline or tuple(filter(place.serves, MAIN))
        ran = run_replay(found[0], folder, taken_by, backend, dtypes, data, timeout, model)
        rows = judge(found[0], ran)
        show(for_terminal(found[0], ran, rows) if form == "text" else as_json.render(rows))
        sys.exit(exit_code(rows))


def judge(cell: "StoredCell", ran: "ReplayRun") -> "list[PairRow]":
    """A row for each replay in f32, held to the run, and one for both pipelines in f64."""
    from harness.errors import TraceError
    from harness.trace.evaluations import evaluations_path, read_evaluations
    from harness.verdict.compare import compare_parts
    from harness.verdict.evidence import FromStates
    from harness.verdict.judge import Verdict
    from harness.verdict.pair import PairRow
    from harness.verdict.replay import Replayed, judge_from_states, judge_replay

    rows = []
    for one, segments in ran.in_f32:
        if one.note:
            verdict = Verdict("INCONCLUSIVE", "cells", f"{one.name}: {one.note}", None)
        else:
            verdict = judge_replay(Replayed(cell.read(), one.read(allow_parts=True), segments))
        rows.append(PairRow(cell.short_name, f"{one.short_name} from its states", verdict=verdict, kind="replay"))
    if ran.in_f64:
        notes = [f"{one.name}: {one.note}" for one in ran.in_f64 if one.note]
        in_f64: FromStates | str = "; ".join(notes)
        if not notes:
            try:
                a, b = (one.read(allow_parts=True) for one in ran.in_f64)
                in_f64 = FromStates(compare_parts(a, b), read_evaluations(evaluations_path(ran.in_f64[1].trace)).states)
            except TraceError as error:
                in_f64 = str(error)
        left, right = (f"{one.short_name} in f64" for one in ran.in_f64)
        rows.append(PairRow(left, right, verdict=judge_from_states(in_f64), kind="from states"))
    return rows
