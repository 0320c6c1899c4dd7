"""`harness module inspect|run|check FILE`: any StableHLO module, whoever made it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.options import format_option, read_names
from harness.commands.paths import FilePath
from harness.commands.usage import FiniteRange

if TYPE_CHECKING:
    from harness.module.load import StableModule
    from harness.module.task import Array

DEFAULT_TIMEOUT_S = 600.0
NOTHING_COMPARED = 3
_DEFAULT = "xla,iree"

_file = click.argument("file", type=FilePath(exists=True), metavar="FILE")
_function = click.option(
    "--function", metavar="NAME", help="Function of the module. Default: the only public one, or main."
)
_on = click.option(
    "--on",
    "names",
    callback=read_names,
    default=_DEFAULT,
    show_default=True,
    metavar="A,B",
    help="Executors: xla, iree, iree-generic, vmvx, interpreter.",
)
_inputs = click.option(
    "--inputs", type=FilePath(exists=True), metavar="FILE.npz", help="Arguments by name. Default: drawn by their roles."
)
_seed = click.option(
    "--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Seed of drawn arguments, and of noise."
)
_timeout = click.option(
    "--timeout",
    type=FiniteRange(min=0.1),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Longest compilation and run of one executor.",
)


@click.group("module")
def module_command() -> None:
    """Run any StableHLO module on several executors, and tell rounding from a fault."""


@module_command.command("inspect")
@_file
@_function
@format_option("text", "json")
def inspect_command(file: Path, function: str | None, form: str) -> None:
    """Say what a module takes, gives and does, and what of it cannot be judged.

    FILE is text, MLIR bytecode or a portable artifact. Nothing is run.
    """
    from harness.module.load import load
    from harness.module.tables import inspected
    from harness.report.terminal import show

    show(inspected(load(file, function), form))


@module_command.command("run")
@_file
@_function
@_on
@_inputs
@_seed
@click.option(
    "--save", type=FilePath(), metavar="FILE.npz", help="Write results as EXECUTOR/RESULT, by name or number."
)
@_timeout
@format_option("text", "json")
def run_command(
    file: Path,
    function: str | None,
    names: tuple[str, ...],
    inputs: Path | None,
    seed: int,
    save: Path | None,
    timeout: float,
    form: str,
) -> None:
    """Run a module once on each executor, each in a process of its own.

    Exit codes: 0 every executor ran it, 2 usage or a module that cannot be read, 3 one did not.
    """
    import numpy as np

    from harness.module.execute import execute
    from harness.module.executors import find_executors
    from harness.module.load import load
    from harness.module.tables import ran
    from harness.report.terminal import show
    from harness.system.files import replace_file

    if save is not None and not save.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(save.parent)!r}.", param_hint="--save")
    executors = find_executors(names)
    module = load(file, function)
    arguments = _arguments(module, inputs, seed)
    executions = []
    for executor in executors:
        _say(f"{executor.name} …")
        executions.append(
            execute(
                executor,
                module.text,
                module.function,
                arguments,
                timeout_s=timeout,
                operations=module.operations,
            )
        )
    show(ran(module, executions, form))
    if save is not None:
        with replace_file(save) as target:
            arrays = {
                f"{execution.executor.name}/{number}": array
                for execution in executions
                for call in execution.calls
                for number, array in enumerate(call)
            }
            np.savez(target, **arrays)  # type: ignore[arg-type]  # numpy types each name as its own option
    sys.exit(0 if all(execution.calls for execution in executions) else NOTHING_COMPARED)


@module_command.command("check")
@_file
@_function
@_on
@_inputs
@_seed
@_timeout
@format_option("text", "json")
@click.pass_context
def check_command(
    context: click.Context,
    file: Path,
    function: str | None,
    names: tuple[str, ...],
    inputs: Path | None,
    seed: int,
    timeout: float,
    form: str,
) -> None:
    """Run a module on each executor and judge every result: rounding, or a fault?

    The bound is measured: the module in f64, with rounding noise in it, says what rounding does here.

    Exit codes: 0 rounding only, 1 a fault, 2 usage or a module that cannot be read or judged, 3 nothing was compared,
    a doubt, or an executor named with --on is absent.
    """
    from harness.module.check import check_module
    from harness.module.executors import find_executors
    from harness.module.inputs import digest
    from harness.module.load import load
    from harness.module.tables import checked
    from harness.report.terminal import show

    executors = find_executors(names)
    module = load(file, function)
    arguments = _arguments(module, inputs, seed)
    check = check_module(module, executors, arguments, seed=seed, timeout_s=timeout, say=_say)
    show(checked(check, form, digest(arguments)))
    named = context.get_parameter_source("names") is not click.core.ParameterSource.DEFAULT
    absent = named and any(one.word == "absent" for one in check.executors)
    sys.exit(NOTHING_COMPARED if absent and check.exit_code == 0 else check.exit_code)


def _arguments(module: "StableModule", inputs: Path | None, seed: int) -> "Sequence[Array]":
    from harness.module.inputs import draw, read

    return draw(module, seed) if inputs is None else read(inputs, module)


def _say(line: str) -> None:
    click.echo(f"harness: {line}", err=True)
