"""`harness run MODEL`."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from harness.commands.completion import complete_backend, complete_pipelines
from harness.commands.options import start_option
from harness.commands.run_options import RunOptions, announce_states, run_options

if TYPE_CHECKING:
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
@start_option
@run_options
def run_command(asked: RunOptions, pipeline: str, backend: str, start: "Start") -> None:
    """Train MODEL with one pipeline on one backend, and print the path of the trace.

    Exit codes: 0 the run is complete, 2 usage, 3 it is not, or its trace says that it was of another run.
    """
    import msgspec

    from harness.errors import unknown
    from harness.run.backends import backend as find_backend
    from harness.run.pipelines import CONTROLS, PIPELINES
    from harness.run.runner import run_single
    from harness.system.process import interruptible

    find_backend(backend)
    loaded = asked.load()
    known = [*PIPELINES, *(external.name for external in loaded.externals)]
    if pipeline not in known:
        raise click.BadParameter(unknown("pipeline", pipeline, known), param_hint="--pipeline")
    run = msgspec.structs.replace(loaded.run, start=start)
    verification = replace(loaded, run=run, backends=(backend,), factorial=pipeline in CONTROLS)
    interruptible()
    cell = run_single(verification, pipeline, backend, announce_states)
    contradictions = cell.read().contradictions if cell.complete else ()
    told = cell.note or "; ".join(contradictions) or f"{cell.manifest.steps_written} steps"
    click.echo(f"{cell.trace}: {told}")
    sys.exit(0 if cell.complete and not contradictions else NOT_COMPLETE)
