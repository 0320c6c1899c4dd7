"""`harness emit MODEL`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import (
    batch_option,
    dtype_option,
    image_size_option,
    model_argument,
    profile_option,
    seed_option,
)
from harness.commands.paths import FolderPath

if TYPE_CHECKING:
    from harness.spec.netspec import DType


@click.command("emit")
@model_argument
@click.option("--pipeline", type=click.Choice(["phase2", "phase3"]), help="Default: both.")
@dtype_option
@profile_option
@seed_option
@batch_option
@image_size_option
@click.option("--out", type=FolderPath(), default=Path("build"), show_default=True)
def emit_command(
    model: str,
    pipeline: str | None,
    dtype: "DType",
    profile: str,
    seed: int,
    batch: int | None,
    image_size: int | None,
    out: Path,
) -> None:
    """Write the programs of MODEL and print their paths."""
    from harness.run.cell import Cell
    from harness.run.pipelines import MAIN
    from harness.run.programs import emit_files
    from harness.spec.models import load_model
    from harness.spec.run_config import RunConfig

    loaded = load_model(model, batch=batch, image_size=image_size)
    out.mkdir(parents=True, exist_ok=True)
    run = RunConfig(dtype=dtype, init_seed=seed, profile=profile)
    for name in [pipeline] if pipeline else MAIN:
        for path in emit_files(Cell(loaded, name, "cpu", run), out):
            click.echo(str(path))
