"""`harness module isolate FILE`: the operation that an executor gets wrong."""

import sys
from pathlib import Path

import click

from harness.commands.module.options import (
    file_argument,
    function_option,
    given_arguments,
    inputs_option,
    memory_option,
    say,
    seed_option,
    timeout_option,
)
from harness.commands.options import format_option
from harness.commands.paths import FolderPath


@click.command("isolate")
@file_argument
@function_option
@click.option("--on", "name", default="iree", show_default=True, metavar="EXECUTOR", help="Executor to search.")
@inputs_option
@seed_option
@click.option(
    "--window",
    type=click.IntRange(1),
    default=80,
    show_default=True,
    help="Most operations that are looked at together.",
)
@click.option(
    "--whole/--no-whole",
    default=True,
    help="When no window is wrong, judge the whole as well, and halve it if that is wrong. Default: do.",
)
@click.option(
    "-o",
    "--output",
    type=FolderPath(),
    metavar="FOLDER",
    help="For reproducers, one folder each. Default: repro in the working folder.",
)
@timeout_option
@memory_option
@format_option("text", "json")
def isolate_command(
    file: Path,
    function: str | None,
    name: str,
    inputs: Path | None,
    seed: int,
    window: int,
    whole: bool,
    output: Path | None,
    timeout: float,
    most_bytes: int | None,
    form: str,
) -> None:
    """Name the operation, or the smallest fused set of them, that an executor gets wrong.

    Every window of operations is fed what the f64 version computes before it, and judged as `harness module check`
    judges the whole. A fault leaves a folder that shows it without this project.

    Exit codes: 0 rounding only, 1 a fault, 2 usage or a module that cannot be read or judged, 3 nothing was compared,
    a doubt, or the executor did not finish with a part of it.
    """
    from harness.module.executors import find_executors
    from harness.module.inputs import digest
    from harness.module.isolate.reproducer import write_reproducers
    from harness.module.isolate.search import isolate
    from harness.module.isolate.tables import isolated
    from harness.module.load import load
    from harness.report.terminal import show

    (executor,) = find_executors((name,))
    module = load(file, function)
    arguments = given_arguments(module, inputs, seed)
    isolation = isolate(
        module,
        executor,
        arguments,
        seed=seed,
        timeout_s=timeout,
        window=window,
        whole=whole,
        most_bytes=most_bytes,
        say=say,
    )
    try:
        reproducers = write_reproducers(isolation, output or Path("repro"), timeout)
    except OSError as error:
        reproducers = []
        say(f"no reproducer: {error.filename}: {error.strerror}. Give another folder with --output.")
    show(isolated(isolation, reproducers, form, digest(arguments)))
    sys.exit(isolation.exit_code)
