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


@click.command("tie")
@file_argument
@function_option
@click.option(
    "--against",
    metavar="FILE.py:LOSS|MODULE",
    help="A loss in a Python file, of the same parameters, images and labels; or another module.",
)
@click.option("--model", metavar="NETWORK", help="Hold it against phase 2 of a network, in the place of --against.")
@click.option(
    "--rate",
    default="",
    metavar="NUMBER|ARG",
    help="The rate of a step that has it as a constant, or the argument that is the rate.",
)
@inputs_option
@seed_option
@timeout_option
@format_option("text", "json")
def tie_command(
    file: Path,
    function: str | None,
    against: str | None,
    model: str | None,
    rate: str,
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
    from harness.module.tie.functions import tie_to_function, tie_to_network
    from harness.module.tie.modules import tie_to_module
    from harness.module.tie.report import tied
    from harness.module.tie.runs import TieRuns
    from harness.report.terminal import show

    if (against is None) == (model is None):
        raise click.UsageError("Give either --against or --model.")
    other = _other_module(against) if against is not None else None
    module = load(file, function)
    arguments = given_arguments(module, inputs, seed)
    runs = TieRuns(seed, timeout, say)
    if other is not None:
        tie = tie_to_module(module, load(other), arguments, runs)
    elif against is not None:
        tie = tie_to_function(module, against, arguments, runs, rate=rate)
    else:
        tie = tie_to_network(module, model or "", arguments, runs, rate=rate)
    show(tied(tie, form))
    sys.exit(tie.exit_code)


def _other_module(against: str) -> Path | None:
    """The path of another module; None for a function in a Python file."""
    path, _, name = against.rpartition(":")
    is_function = path.endswith(".py") or against.endswith(".py")
    if is_function and (not path.endswith(".py") or not name):
        told = f"expected FILE.py:NAME with the name of a function, not {against!r}."
        raise click.BadParameter(told, param_hint="--against")
    other = Path(path if is_function else against)
    if not other.is_file():
        raise click.BadParameter(f"there is no file {str(other)!r}.", param_hint="--against")
    return None if is_function else other
