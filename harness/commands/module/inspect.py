"""`harness module inspect FILE`: what a module takes, gives and does."""

from pathlib import Path

import click

from harness.commands.module.options import file_argument, function_option
from harness.commands.options import format_option
from harness.commands.paths import FilePath


@click.command("inspect")
@file_argument
@function_option
@click.option(
    "--toml",
    type=FilePath(),
    metavar="STEP.toml",
    help="Also write what a training step's arguments and results are taken for, to be corrected and given to trace.",
)
@format_option("text", "json")
def inspect_command(file: Path, function: str | None, toml: Path | None, form: str) -> None:
    """Say what a module takes, gives and does, and what of it cannot be judged.

    FILE is text, MLIR bytecode or a portable artifact. Nothing is run.
    """
    from harness.module.load import load
    from harness.module.tables import inspected
    from harness.module.training.guess import write_step_file
    from harness.report.terminal import show

    if toml is not None and toml.exists():
        raise click.BadParameter(f"{str(toml)!r} exists, and may have corrections in it. Give another path.")
    module = load(file, function)
    show(inspected(module, form))
    if toml is not None:
        write_step_file(toml, module)
