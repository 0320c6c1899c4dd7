"""`harness module check FILE`: every result of a module on each executor, judged."""

import sys
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


@click.command("check")
@file_argument
@function_option
@on_option
@inputs_option
@seed_option
@timeout_option
@memory_option
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
    most_bytes: int | None,
    form: str,
) -> None:
    """Run a module on each executor and judge every result: rounding, or a fault?

    The bound is measured: the module in f64, with rounding noise in it, says what rounding does here.

    Exit codes: 0 rounding only, 1 a fault or products of a lower precision, 2 usage or a module that cannot be read or
    judged, 3 nothing was compared, a doubt, an executor did not finish, or one named with --on is absent.
    """
    from harness.module.check import check_module
    from harness.module.executors import find_executors
    from harness.module.inputs import digest
    from harness.module.load import load
    from harness.module.tables import checked
    from harness.report.terminal import show

    executors = find_executors(names)
    module = load(file, function)
    arguments = given_arguments(module, inputs, seed)
    check = check_module(module, executors, arguments, seed=seed, timeout_s=timeout, say=say, most_bytes=most_bytes)
    show(checked(check, form, digest(arguments)))
    named = context.get_parameter_source("names") is not click.core.ParameterSource.DEFAULT
    absent = named and any(one.word == "absent" for one in check.executors)
    sys.exit(NOTHING_COMPARED if absent and check.exit_code == 0 else check.exit_code)
