"""`harness run MODEL`."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import click

from harness.commands.completion import complete_backend, complete_pipelines
from harness.commands.options import segment_option, start_option
from harness.commands.run_options import RunOptions, announce_states, run_options

if TYPE_CHECKING:
    from harness.run.verification import Verification
    from harness.spec.run_config import Start

NOT_COMPLETE = 3


@click.command("run")
@click.option(
    "--pipeline",
    required=True,
    metavar="NAME",
    shell_complete=complete_pipelines,
    help="phase2, phase3, a control, or one of --pipeline-cmd.",
)
@click.option("--backend", default="cpu", show_default=True, metavar="NAME", shell_complete=complete_backend)
@click.option(
    "--follow",
    metavar="NAME[-BACKEND]",
    help="Also run this pipeline, free, and set the run to its state every few steps; judge the pair.",
)
@segment_option
@start_option
@run_options
def run_command(
    asked: RunOptions, pipeline: str, backend: str, follow: str | None, segment: int, start: "Start"
) -> None:
    """Train MODEL with one pipeline on one backend, and print the path of the trace.

    MODEL is a network of `harness models`, or the path of a file of your own, NAME.py, which is run.

    Exit codes: 0 the run is complete, 2 usage, 3 it is not, or its trace says that it was of another run; with --follow
    those of the verdict: 0 agree, 1 differ, 3 inconclusive.
    """
    import msgspec

    from harness.run.backends import BACKENDS
    from harness.run.backends import backend as find_backend
    from harness.run.pipelines import CONTROLS
    from harness.system.process import interruptible

    place = find_backend(backend)
    loaded = asked.load()
    _refuse_unknown(pipeline, loaded, "--pipeline")
    place.require(pipeline)
    run = msgspec.structs.replace(loaded.run, start=start)
    verification = replace(loaded, run=run, segment=segment, backends=(backend,), factorial=pipeline in CONTROLS)
    if follow is None:
        interruptible()
        run_alone(verification, pipeline, backend)
    leader, _, where = follow.rpartition("-")
    if where not in BACKENDS:
        leader, where = follow, backend
    _refuse_unknown(leader, loaded, "--follow")
    if (leader, where) == (pipeline, backend):
        raise click.UsageError(f"--follow {follow}: a run cannot follow itself. Name another pipeline or backend.")
    BACKENDS[where].require(leader)
    interruptible()
    _run_followed(verification, (leader, where), (pipeline, backend))


def _refuse_unknown(pipeline: str, verification: "Verification", option: str) -> None:
    from harness.errors import unknown
    from harness.run.pipelines import PIPELINES

    known = [*PIPELINES, *(external.name for external in verification.externals)]
    if pipeline not in known:
        raise click.BadParameter(unknown("pipeline", pipeline, known), param_hint=option)


def run_alone(verification: "Verification", pipeline: str, backend: str) -> NoReturn:
    """Run one cell, print the path of its trace, and exit."""
    from harness.run.run_cells import run_single

    cell = run_single(verification, pipeline, backend, announce_states)
    contradictions = cell.read().contradictions if cell.complete else ()
    told = cell.note or "; ".join(contradictions) or f"{cell.manifest.steps_written} steps"
    click.echo(f"{cell.trace}: {told}")
    sys.exit(0 if cell.complete and not contradictions else NOT_COMPLETE)


def _run_followed(verification: "Verification", leader: tuple[str, str], follower: tuple[str, str]) -> NoReturn:
    from harness.report.terminal import show
    from harness.report.text import render_pair
    from harness.run.run_cells import run_followed
    from harness.verdict.compare import Judging
    from harness.verdict.pair import exit_code
    from harness.verdict.pairs import judge_followed

    cells = run_followed(verification, leader, follower)
    row = judge_followed(*cells, Judging())
    show(render_pair(row))
    click.echo()
    for cell in cells:
        click.echo(f"{cell.trace}: {cell.note or f'{cell.manifest.steps_written} steps'}")
    sys.exit(exit_code([row]))
