"""The options that verbs of `harness module` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import read_names
from harness.commands.paths import FilePath
from harness.commands.usage import FiniteRange

if TYPE_CHECKING:
    from harness.module.load import StableModule
    from harness.module.task import Array

DEFAULT_TIMEOUT_S = 600.0
NOTHING_COMPARED = 3
_DEFAULT = "xla,iree"

file_argument = click.argument("file", type=FilePath(exists=True), metavar="FILE")
function_option = click.option(
    "--function", metavar="NAME", help="Function of the module. Default: the only public one, or main."
)
on_option = click.option(
    "--on",
    "names",
    callback=read_names,
    default=_DEFAULT,
    show_default=True,
    metavar="A,B",
    help="Executors: xla, iree, iree-generic, vmvx, interpreter, vulkan, iree-cuda, iree-rocm, xla-cuda, xla-rocm.",
)
inputs_option = click.option(
    "--inputs", type=FilePath(exists=True), metavar="FILE.npz", help="Arguments by name. Default: drawn by their roles."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Seed of drawn arguments, and of noise."
)
timeout_option = click.option(
    "--timeout",
    type=FiniteRange(min=0.1),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Longest compilation and run of one executor.",
)


def given_arguments(module: "StableModule", inputs: Path | None, seed: int) -> "Sequence[Array]":
    """What the module is fed: what the file holds, else drawn by roles."""
    from harness.module.inputs import draw, read

    return draw(module, seed) if inputs is None else read(inputs, module)


def say(line: str) -> None:
    """Tell the user what runs, beside what is printed."""
    click.echo(f"harness: {line}", err=True)
