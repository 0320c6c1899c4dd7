"""`harness oracle [CASE…]`."""

import os
import sys

import click

from harness.commands.completion import complete_cases
from harness.commands.options import batch_option, data_option, format_option, image_size_option, jobs_option, renamed
from harness.commands.usage import FiniteRange

DEFAULT_TIMEOUT_S = 600.0


@click.command(
    "oracle", context_settings=renamed({"third-opinion": "interpreter", "no-third-opinion": "no-interpreter"})
)
@click.argument("cases", nargs=-1, metavar="[CASE…]", shell_complete=complete_cases)
@click.option("--dtype", type=click.Choice(["f32", "f64"]), help="Default: both.")
@jobs_option
@batch_option
@image_size_option
@data_option
@click.option(
    "--interpreter/--no-interpreter",
    default=True,
    help="Also run step 1 in the StableHLO reference interpreter, in f64. On by default.",
)
@click.option(
    "--timeout",
    type=FiniteRange(min=0.1),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Longest run of one case in one dtype.",
)
@format_option("text", "markdown", "json")
def oracle_command(
    cases: tuple[str, ...],
    dtype: str | None,
    jobs: int | None,
    batch: int | None,
    image_size: int | None,
    data: str | None,
    interpreter: bool,
    timeout: float,
    form: str,
) -> None:
    """Compare the gradients of both pipelines, tensor by tensor, on small networks: all of the table by default.

    A network of `harness models` is a case too, and so is one in a file of your own, NAME.py.

    A network's gradients in f32 are shown and not judged: f64 tells rounding from a bug.

    Exit codes: 0 all agree, 1 one differs or did not finish, 2 usage, 3 none was judged.
    """
    from harness.data.dataset import resolve_data
    from harness.nn.cases import find_cases
    from harness.report.terminal import show
    from harness.system.progress import JobProgress
    from harness.validation.oracle.table import exit_code, render
    from harness.validation.oracle.worker import OracleTask
    from harness.validation.oracle.workers import run_tasks

    chosen = find_cases(cases, batch, image_size)
    fed = [(case.spec.dataset, case.spec.input_shape) for case in chosen]
    folders = {wanted: str(resolve_data(data, *wanted).folder) for wanted in dict.fromkeys(fed)}
    tasks = [
        OracleTask(case.source or case.name, kind, folders[wanted], batch, image_size, interpreter)
        for case, wanted in zip(chosen, fed, strict=True)
        for kind in ("f32", "f64")
        if dtype in (None, kind)
    ]
    with JobProgress("oracle", len(tasks)) as progress:
        rows = run_tasks(tasks, jobs or len(os.sched_getaffinity(0)), timeout, progress)
    show(render(rows, form))
    sys.exit(exit_code(rows))
