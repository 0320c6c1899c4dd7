"""`harness run MODEL`."""

import sys
from pathlib import Path

import click

from harness.commands.completion import complete_backend, complete_pipelines
from harness.commands.options import (
    channels_option,
    data_option,
    dtype_option,
    eager_option,
    externals_option,
    image_size_option,
    model_argument,
    profile_option,
    run_batch_option,
    seed_option,
    shuffle_option,
    steps_option,
    timeout_option,
)

NOT_COMPLETE = 3


@click.command("run")
@model_argument
@click.option(
    "--pipeline",
    required=True,
    metavar="NAME",
    shell_complete=complete_pipelines,
    help="phase2, phase3, a control, or one of --pipeline-cmd.",
)
@click.option("--backend", default="cpu", show_default=True, metavar="NAME", shell_complete=complete_backend)
@steps_option
@run_batch_option
@image_size_option
@profile_option
@dtype_option
@seed_option
@data_option
@shuffle_option
@eager_option
@channels_option
@timeout_option
@externals_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder for everything.")
def run_command(
    model: str,
    pipeline: str,
    backend: str,
    steps: int | str | None,
    batch: int | str | None,
    image_size: int | None,
    profile: str,
    dtype: str,
    seed: int,
    data: str | None,
    shuffle: bool,
    eager: bool,
    channels: str,
    timeout: float | None,
    externals: tuple[str, ...],
    out: Path,
) -> None:
    """Train MODEL with one pipeline on one backend, and print the path of the trace.

    Exit codes: 0 the run is complete, 2 usage, 3 it is not.
    """
    from harness.commands.verify import run_alone
    from harness.errors import unknown
    from harness.run.backends import backend as find_backend
    from harness.run.controls import CONTROLS
    from harness.run.execute import DEFAULT_TIMEOUT_S
    from harness.run.external import parse_externals
    from harness.run.pipelines import PIPELINES
    from harness.run.verification import Options
    from harness.spec.models import load_for_run
    from harness.system.process import interruptible

    find_backend(backend)
    parsed = parse_externals(externals)
    known = [*PIPELINES, *CONTROLS, *(external.name for external in parsed)]
    if pipeline not in known:
        raise click.BadParameter(unknown("pipeline", pipeline, known), param_hint="--pipeline")
    loaded, asked = load_for_run(model, steps, batch, image_size)
    options = Options(
        model=loaded,
        out=out,
        backends=(backend,),
        steps=asked,
        dtype="f64" if dtype == "f64" else "f32",
        profile=profile,
        init_seed=seed,
        data=data,
        shuffle=shuffle,
        eager=eager,
        channels=channels,
        timeout_s=DEFAULT_TIMEOUT_S if timeout is None else timeout,
        externals=parsed,
        factorial=pipeline in CONTROLS,
    )
    interruptible()
    cell = run_alone(options, pipeline, backend)
    click.echo(f"{cell.trace}: {cell.note or f'{cell.manifest.steps_written} steps'}")
    sys.exit(0 if cell.complete else NOT_COMPLETE)
