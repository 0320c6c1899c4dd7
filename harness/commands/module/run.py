"""`harness module run FILE`: a module once on each executor."""

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from harness.commands.module.options import (
    NOTHING_COMPARED,
    file_argument,
    function_option,
    given_arguments,
    inputs_option,
    memory_option,
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
@click.option("--save", type=FilePath(), metavar="FILE.npz", help="Write results as EXECUTOR/NUMBER, such as xla/0.")
@timeout_option
@memory_option
@format_option("text", "json")
def run_command(
    file: Path,
    function: str | None,
    names: tuple[str, ...],
    inputs: Path | None,
    seed: int,
    save: Path | None,
    timeout: float,
    most_bytes: int | None,
    form: str,
) -> None:
    """Run a module once on each executor, each in a process of its own.

    Exit codes: 0 every executor ran it, 2 usage or a module that cannot be read, 3 one did not.
    """
    import numpy as np
    from ml_dtypes import bfloat16

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
    with ExitStack() as stack:
        target = stack.enter_context(replace_file(save)) if save is not None else None  # first: it may not be possible
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
                    most_bytes=most_bytes,
                )
            )
        show(ran(module, executions, form))
        if target is not None:
            arrays = {
                f"{execution.executor.name}/{number}": array.astype(np.float32) if array.dtype == bfloat16 else array
                for execution in executions
                for call in execution.calls
                for number, array in enumerate(call)
            }
            np.savez(target, **arrays)  # type: ignore[arg-type]  # numpy types each name as its own option
    sys.exit(0 if all(execution.calls for execution in executions) else NOTHING_COMPARED)
