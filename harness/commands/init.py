"""`harness init MODEL --out FILE`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import image_size_option, model_argument, seed_option, start_option
from harness.commands.paths import FilePath

if TYPE_CHECKING:
    from harness.spec.run_config import Start


@click.command("init")
@model_argument
@click.option("--out", "path", type=FilePath(), required=True, metavar="FILE")
@seed_option
@start_option
@image_size_option
def init_command(model: str, path: Path, seed: int, start: "Start", image_size: int | None) -> None:
    """Write the initial parameters of MODEL and print their SHA-256."""
    from harness.data.initial_parameters import write_init
    from harness.spec.models import load_model

    loaded = load_model(model, image_size=image_size)
    digest = write_init(path, loaded.graph.params, seed, start)
    click.echo(f"{digest}  {path} ({4 * loaded.graph.total_params:,} bytes)")
