"""`harness module reduce-batch FILE --to N`: the same program for fewer samples."""

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
from harness.commands.paths import FilePath


@click.command("reduce-batch")
@file_argument
@function_option
@click.option("--to", type=click.IntRange(min=1), required=True, metavar="N", help="Samples that stay.")
@click.option(
    "--batch-of",
    "said",
    multiple=True,
    metavar="ARG=AXIS",
    help="Argument and axis that hold samples; may be repeated. Default: by roles.",
)
@click.option("-o", "--output", type=FilePath(), metavar="FILE", help="Write the module. Default: print it.")
@inputs_option
@click.option("--save-inputs", type=FilePath(), metavar="FILE.npz", help="Write the arguments of the reduced module.")
@seed_option
@timeout_option
@format_option("text", "json")
def reduce_batch_command(
    file: Path,
    function: str | None,
    to: int,
    said: tuple[str, ...],
    output: Path | None,
    inputs: Path | None,
    save_inputs: Path | None,
    seed: int,
    timeout: float,
    form: str,
) -> None:
    """Write a module for fewer samples: the batch is followed through every operation.

    The first samples are then compared with the original's, in f64, where they do not depend on the others.

    Exit codes: 0 done, 1 the first samples differ and nothing is written, 2 usage or a module that cannot be reduced.
    """
    import numpy as np

    from harness.module.batch.comparison import compare_first_samples, reduced_arguments
    from harness.module.batch.reduction import reduce_batch
    from harness.module.batch.report import comment, reduced_report
    from harness.module.load import load
    from harness.report.terminal import show
    from harness.system.files import replace_file

    for path, hint in ((output, "--output"), (save_inputs, "--save-inputs")):
        if path is not None and not path.parent.is_dir():
            raise click.BadParameter(f"there is no folder {str(path.parent)!r}.", param_hint=hint)
    module = load(file, function)
    reduced = reduce_batch(module, to, said)
    arguments = given_arguments(module, inputs, seed)
    say("first samples of both modules in f64 …")
    comparison = compare_first_samples(reduced, arguments, timeout)
    report = reduced_report(reduced, comparison, form)
    if comparison.differs:
        show(report)
        sys.exit(1)
    if save_inputs is not None:
        with replace_file(save_inputs) as target:
            names = [argument.name for argument in module.arguments]
            named = dict(zip(names, reduced_arguments(reduced, arguments), strict=True))
            np.savez(target, **named)  # type: ignore[arg-type]  # numpy types each name as its own option
    if output is None:
        click.echo(str(report), err=True, nl=False)
        click.echo(comment(reduced) + reduced.text, nl=False)
        return
    with replace_file(output) as target:
        target.write((comment(reduced) + reduced.text).encode())
    show(report)
