"""`harness module run FILE`: a module once on each executor."""

import sys
from pathlib import Path

import click

from harness.commands.module.options import (
    NOTHING_COMPARED,
    file_argument,
    function_option,
    given_arguments,
    inputs_option,
    on_option,
    say,
    seed_option,
    timeout_option,
)
from harness.commands.options import format_option
from harness.commands.paths import FilePath


@click.command("run")
@file_argument
@function_option
@on_option
@inputs_option
@seed_option
@click.option(
    "--save", type=FilePath(), metavar="FILE.npz", help="Write results as EXECUTOR/RESULT, by name or number."
)
@timeout_option
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
    arguments = given_arguments(module, inputs, seed)
    executions = []
    for executor in executors:
        say(f"{executor.name} …")
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
