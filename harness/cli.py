"""The command line: one thin sub-command a verb. What a verb needs is imported when it runs."""

import sys
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.commands.accept import accept_command
from harness.commands.attest import attest_command
from harness.commands.bundle import export_command, import_command
from harness.commands.compile import compile_command
from harness.commands.completion import complete_backends, completion_command
from harness.commands.convert import convert_command
from harness.commands.data import data_command
from harness.commands.envelope import envelope_command
from harness.commands.explain import explain_command
from harness.commands.nightly import nightly_command
from harness.commands.options import (
    batch_option,
    channels_option,
    data_option,
    dtype_option,
    eager_option,
    externals_option,
    image_size_option,
    model_argument,
    profile_option,
    read_names,
    run_batch_option,
    seed_option,
    shuffle_option,
    steps_option,
    timeout_option,
)
from harness.commands.oracle import oracle_command
from harness.commands.power import power_command
from harness.commands.report import report_command
from harness.commands.run import run_command
from harness.commands.usage import one_line
from harness.diff import main as diff_command
from harness.errors import HarnessError
from harness.verdict.tolerance import DEFAULT_MODE, MODES

INTERRUPTED = 130


class _Group(click.Group):
    """Turns the errors that a user can cause into one line each, and an interruption into its exit code."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        with one_line():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with one_line():
                return super().invoke(ctx)
        except HarnessError as error:
            click.echo(f"harness: {error}", err=True)
            sys.exit(2)
        except BrokenPipeError:
            raise  # whoever read us has gone; click knows how to end then
        except OSError as error:
            place = f"{error.filename}: " if error.filename is not None else ""
            click.echo(f"harness: {place}{error.strerror or error}.", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("harness: interrupted; finished cells are kept, the running one left its prefix.", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Do two compilers train a network alike, and if not, is it rounding or a bug?"""


@main.command()
@model_argument
@steps_option
@run_batch_option
@image_size_option
@click.option(
    "--backends",
    callback=read_names,
    metavar="A,B",
    shell_complete=complete_backends,
    help="Default: every backend that is present.",
)
@profile_option
@dtype_option
@seed_option
@data_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder for everything.")
@click.option("--mode", type=click.Choice(list(MODES)), default=DEFAULT_MODE.name, show_default=True)
@click.option(
    "--window", type=click.IntRange(min=1), metavar="N", help="Steps judged one by one. Default: to the horizon, or 8."
)
@click.option("--all-steps", is_flag=True, help="Judge every step one by one.")
@shuffle_option
@eager_option
@channels_option
@click.option("--ladder/--no-ladder", default=True, help="Run pairs on the CPU in f64 too, for 3 steps. On by default.")
@click.option("--square", is_flag=True, help="Also run each derivation on the other compiler; split the difference.")
@click.option("--compile-all", is_flag=True, help="Compile phase 3 also for backends that are absent.")
@timeout_option
@externals_option
def verify(
    model: str,
    steps: int | str | None,
    batch: int | str | None,
    image_size: int | None,
    backends: tuple[str, ...] | None,
    profile: str,
    dtype: str,
    seed: int,
    data: str | None,
    out: Path,
    mode: str,
    window: int | None,
    all_steps: bool,
    shuffle: bool,
    eager: bool,
    channels: str,
    ladder: bool,
    square: bool,
    compile_all: bool,
    timeout: float | None,
    externals: tuple[str, ...],
) -> None:
    """Train MODEL with every pipeline on every backend and judge each pair of runs.

    Exit codes: 0 all pairs agree, 1 one differs, 2 usage, 3 inconclusive or a backend that was asked for is absent.
    """
    from harness.commands.verify import verify as run
    from harness.report import verification as report
    from harness.report.terminal import show
    from harness.run.backends import backend
    from harness.run.execute import DEFAULT_TIMEOUT_S
    from harness.run.external import parse_externals
    from harness.run.verification import Verification
    from harness.spec.models import load_for_run
    from harness.spec.run_config import RunConfig
    from harness.system.process import interruptible
    from harness.verdict.compare import judging_by

    judging = judging_by(mode, window, None, all_steps)
    if square and eager:
        raise click.UsageError("--square and --eager exclude each other: the runs of the 2x2 factorial are compiled.")
    for name in backends or ():
        backend(name)
    loaded, asked = load_for_run(model, steps, batch, image_size)
    verification = Verification(
        model=loaded,
        out=out,
        backends=backends,
        run=RunConfig(
            dtype="f64" if dtype == "f64" else "f32",
            init_seed=seed,
            profile=profile,
            shuffle=shuffle,
            eager=eager,
            steps=asked,
            channels=channels,
        ),
        data=data,
        f64_check=ladder,
        compile_all=compile_all,
        timeout_s=DEFAULT_TIMEOUT_S if timeout is None else timeout,
        externals=parse_externals(externals),
        factorial=square,
    )
    interruptible()
    outcome = run(verification, judging)
    paths = report.write_reports(outcome)
    show(report.for_terminal(outcome))
    click.echo(f"\nReports: {', '.join(map(str, paths))}; traces: {verification.folder}/")
    sys.exit(report.outcome_exit_code(outcome))


@main.command()
def models() -> None:
    """List the networks with their parameter counts."""
    from harness.report.terminal import show
    from harness.spec.models import all_models
    from harness.system.text import Document, Table

    rows = [
        [
            m.name,
            m.spec.name,
            f"{m.graph.total_params:,}",
            str(len(m.graph.params)),
            m.spec.dataset,
            m.spec.netspec_hash()[:12],
        ]
        for m in all_models()
    ]
    headers = ["model", "name", "parameters", "tensors", "data", "netspec"]
    show(Document([Table(headers, rows, right=("parameters", "tensors"))]))


@main.command()
@model_argument
@click.option("--out", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
@seed_option
@image_size_option
def init(model: str, path: Path, seed: int, image_size: int | None) -> None:
    """Write the initial parameters of MODEL and print their SHA-256."""
    from harness.data.initial_parameters import write_init
    from harness.spec.models import load_model

    loaded = load_model(model, image_size=image_size)
    digest = write_init(path, loaded.graph.params, seed)
    click.echo(f"{digest}  {path} ({4 * loaded.graph.total_params:,} bytes)")


@main.command()
@model_argument
@click.option("--pipeline", type=click.Choice(["phase2", "phase3"]), help="Default: both.")
@dtype_option
@profile_option
@seed_option
@batch_option
@image_size_option
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("build"), show_default=True)
def emit(
    model: str,
    pipeline: str | None,
    dtype: str,
    profile: str,
    seed: int,
    batch: int | None,
    image_size: int | None,
    out: Path,
) -> None:
    """Write the programs of MODEL and print their paths."""
    from harness.run.cell import Cell
    from harness.run.pipelines import MAIN
    from harness.run.programs import emit_files
    from harness.spec.models import load_model
    from harness.spec.run_config import RunConfig

    loaded = load_model(model, batch=batch, image_size=image_size)
    out.mkdir(parents=True, exist_ok=True)
    run = RunConfig(dtype="f64" if dtype == "f64" else "f32", init_seed=seed, profile=profile)
    for name in [pipeline] if pipeline else MAIN:
        for path in emit_files(Cell(loaded, name, "cpu", run), out):
            click.echo(str(path))


@main.command()
def doctor() -> None:
    """Say what this host can run, and why not the rest; what to do about a line stands in it."""
    from harness.commands.doctor import examine
    from harness.report.terminal import show

    show(examine())


main.add_command(diff_command, "diff")
main.add_command(data_command, "data")
main.add_command(compile_command, "compile")
main.add_command(convert_command, "convert")
main.add_command(oracle_command, "oracle")
main.add_command(envelope_command, "envelope")
main.add_command(explain_command, "explain")
main.add_command(power_command, "power")
main.add_command(run_command, "run")
main.add_command(nightly_command, "nightly")
main.add_command(report_command, "report")
main.add_command(export_command, "export")
main.add_command(import_command, "import")
main.add_command(attest_command, "attest")
main.add_command(accept_command, "accept")
main.add_command(completion_command, "completion")
