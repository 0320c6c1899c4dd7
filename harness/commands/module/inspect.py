"""`harness module inspect FILE`: what a module takes, gives and does."""

from pathlib import Path

import click

from harness.commands.module.options import file_argument, function_option
from harness.commands.options import format_option


@click.command("inspect")
@file_argument
@function_option
@format_option("text", "json")
def inspect_command(file: Path, function: str | None, form: str) -> None:
    """Say what a module takes, gives and does, and what of it cannot be judged.

    FILE is text, MLIR bytecode or a portable artifact. Nothing is run.
    """
    from harness.module.load import load
    from harness.module.tables import inspected
    from harness.report.terminal import show

    show(inspected(load(file, function), form))
