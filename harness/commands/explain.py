"""`harness explain MODEL`."""

import sys
from pathlib import Path
from typing import NoReturn

import click
from click.core import ParameterSource

from harness.commands.completion import complete_cases, complete_traces
from harness.commands.options import batch_option, data_option, format_option, image_size_option, seed_option
from harness.commands.paths import FilePath, FolderPath


@click.command("explain")
@click.argument("model", shell_complete=complete_cases)
@click.option(
    "--against",
    type=FilePath(),
    multiple=True,
    metavar="FILE",
    shell_complete=complete_traces,
    help="A trace of MODEL: name the conventions of its run. May be given several times.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --against: up to which step a match is followed. Default: 100.",
)
@click.option("--step", type=click.IntRange(min=1), default=1, show_default=True, help="The training step to examine.")
@click.option(
    "--dtype",
    type=click.Choice(["f32", "f64"]),
    default="f32",
    show_default=True,
    help="f64 comes first; f32 also searches errors that only f32 has.",
)
@click.option(
    "--profile",
    type=click.Choice(["shared", "published"]),
    default="shared",
    show_default=True,
    help="Conventions of both pipelines; the definition always has the shared ones.",
)
@batch_option
@image_size_option
@seed_option
@data_option
@click.option(
    "--out",
    type=FolderPath(),
    default=Path("build/explain"),
    show_default=True,
    help="Folder for the reproducer, and for the dumps.",
)
@click.option(
    "--dump",
    is_flag=True,
    help="Also write every value and cotangent between layers, of both sides and of the definition.",
)
@format_option("text", "json")
@click.pass_context
def explain_command(
    ctx: click.Context,
    model: str,
    against: tuple[Path, ...],
    steps: int | None,
    step: int,
    dtype: str,
    profile: str,
    batch: int | None,
    image_size: int | None,
    seed: int,
    data: str | None,
    out: Path,
    dump: bool,
    form: str,
) -> None:
    """Name the layer, direction and side of MODEL that are wrong, judged by an independent definition of every layer.

    MODEL is a network of `harness models`, the path of a file of your own, NAME.py, or a case of `harness oracle`.

    With --against, search the conventions under which phase 2 gives the losses and norms of a trace, which may be all
    that a run has left.

    Exit codes: 0 only rounding was found, 1 a culprit or other conventions, 2 usage, 3 inconclusive.
    """
    if against:
        given = [
            p
            for p in ("step", "dtype", "profile", "out", "dump")
            if ctx.get_parameter_source(p) is ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError(f"--against and --{given[0]} exclude each other: the trace has its own.")
        _explain_against(model, against, steps, data, batch, image_size, seed, form)
    if steps is not None:
        raise click.UsageError("--steps goes with --against only.")
    from safetensors import SafetensorError

    from harness.data.dataset import resolve_data
    from harness.errors import HarnessError
    from harness.explain.locate.dump import write_dumps
    from harness.explain.locate.experiment import experiment_for
    from harness.explain.locate.location import define, locate
    from harness.explain.locate.report import LocationReport, exit_code, render
    from harness.explain.locate.reproducer import write_reproducer, write_whole_reproducer
    from harness.explain.locate.side_under_test import sides_for
    from harness.module.isolate.own_step import search_step
    from harness.nn.cases import find_case
    from harness.report.terminal import show
    from harness.spec.netspec import DType

    case = find_case(model, batch, image_size)
    folder = Path(resolve_data(data, case.spec.dataset, case.spec.input_shape).folder)
    experiment = experiment_for(case, folder, step, seed)
    sides = sides_for(experiment, folder, profile)
    dtypes: tuple[DType, ...] = ("f64", "f32") if dtype == "f32" else ("f64",)
    defined = define(experiment, step)
    location = locate(*sides, step, dtypes, defined)
    place = out / f"{case.name}.step{step}.{profile}"
    operations: list[str] = []
    try:
        if not location.culprits and (location.layer or not location.conclusive):
            # Every piece is right and the whole is not: is it an operation, or how the compiler joins them?
            wrong = [side for side in sides if location.side in (side.pipeline, "both", "")]
            for one in (search_step(side, step, place / "operations") for side in wrong):
                operations += [one.sentence, *map(str, one.reproducers)]
        dumped = write_dumps(place, sides, dtypes[-1], defined[1]) if dump else ()
        made = None
        if location.culprits:
            made = write_reproducer(place / "reproducer", location.culprits, sides, *defined)
        elif location.layer:
            where = f"{location.layer}, {location.direction}"
            made = write_whole_reproducer(place / "reproducer", where, sides, location.side)
    except (OSError, SafetensorError) as error:
        what = getattr(error, "strerror", None) or error
        raise HarnessError(f"{place}: cannot be written: {what}. Give another folder with --out.") from None
    show(render(LocationReport(location, experiment, step, profile, dumped, made, tuple(operations)), form))
    sys.exit(exit_code(location))


def _explain_against(
    model: str,
    paths: tuple[Path, ...],
    steps: int | None,
    data: str | None,
    batch: int | None,
    image_size: int | None,
    seed: int,
    form: str,
) -> NoReturn:
    from harness.explain.conventions.against import STEPS, explain_all_against, render_all
    from harness.report.terminal import show

    found = explain_all_against(
        model,
        paths,
        steps=STEPS if steps is None else steps,
        data=data,
        batch=batch,
        image_size=image_size,
        init_seed=seed,
    )
    show(render_all(found, form))
    sys.exit(max(one.exit_code for one in found))
