"""`harness module tie FILE --against OTHER`: are two programs the same mathematics?"""

import sys
from pathlib import Path

import click

from harness.commands.module.options import (
    file_argument,
    function_option,
    given_arguments,
    inputs_option,
    say,
    seed_option,
    timeout_option,
)
from harness.commands.options import format_option
from harness.commands.usage import FiniteRange


@click.command("tie")
@file_argument
@function_option
@click.option(
    "--against",
    required=True,
    metavar="FILE.py:LOSS|MODULE",
    help="A loss in a Python file, of the same parameters, images and labels; or another module.",
)
@click.option("--rate", type=FiniteRange(min=0.0, min_open=True), help="Rate of a step that has it as a constant.")
@inputs_option
@seed_option
@timeout_option
@format_option("text", "json")
def tie_command(
    file: Path,
    function: str | None,
    against: str,
    rate: float | None,
    inputs: Path | None,
    seed: int,
    timeout: float,
    form: str,
) -> None:
    """Hold the gradients of a training step against those of a JAX function, or its results against another module's.

    Compared in f64, where only another meaning differs, and in f32. Where they differ, conventions are tried.

    Exit codes: 0 tied, 1 not, 2 usage or what cannot be read, 3 nothing was compared.
    """
    from harness.module.load import load
    from harness.module.tie.functions import tie_to_function
    from harness.module.tie.modules import tie_to_module
    from harness.module.tie.report import tied
    from harness.module.tie.runs import TieRuns
    from harness.report.terminal import show

    path, _, name = against.rpartition(":")
    is_function = path.endswith(".py") or against.endswith(".py")
    if is_function and (not path.endswith(".py") or not name):
        raise click.BadParameter(
            f"expected FILE.py:NAME with the name of a function, not {against!r}.", param_hint="--against"
        )
    other = Path(path if is_function else against)
    if not other.is_file():
        raise click.BadParameter(f"there is no file {str(other)!r}.", param_hint="--against")
    module = load(file, function)
    arguments = given_arguments(module, inputs, seed)
    runs = TieRuns(seed, timeout, say)
    if is_function:
        tie = tie_to_function(module, against, arguments, runs, rate=rate)
    else:
        tie = tie_to_module(module, load(other), arguments, runs)
    show(tied(tie, form))
    sys.exit(tie.exit_code)
