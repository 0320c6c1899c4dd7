"""`harness explain MODEL`."""

import sys
from pathlib import Path

import click


@click.command("explain")
@click.argument("model")
@click.option("--step", type=click.IntRange(min=1), default=1, show_default=True, help="The training step looked at.")
@click.option(
    "--dtype",
    type=click.Choice(["f32", "f64"]),
    default="f32",
    show_default=True,
    help="f64 comes first; f32 also looks for what f32 alone has.",
)
@click.option(
    "--profile",
    type=click.Choice(["shared", "published"]),
    default="shared",
    show_default=True,
    help="Conventions of both pipelines; the definition always has the shared ones.",
)
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Examples a step. Default: the network's own.")
@click.option(
    "--image-size", type=click.IntRange(min=1), metavar="N", help="Pixels a side, for networks that take several sizes."
)
@click.option("--seed", type=click.IntRange(0, 2**32), default=42, show_default=True, help="Of the initial parameters.")
@click.option("--data", metavar="FOLDER|synthetic", help="Data. Default: the network's data set, fetched once.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the result.",
)
def explain_command(
    model: str,
    step: int,
    dtype: str,
    profile: str,
    batch: int | None,
    image_size: int | None,
    seed: int,
    data: str | None,
    form: str,
) -> None:
    """Name the layer, direction and side where the two pipelines of MODEL part, by a third definition of every layer.

    MODEL is a network of `harness models` or a case of `harness oracle`.

    Exit codes: 0 nothing but rounding was found, 1 a culprit was, 2 usage, 3 inconclusive.
    """
    from harness.data.dataset import resolve_data
    from harness.explain.fed import meant_for, parties_for
    from harness.explain.locate import locate
    from harness.explain.report import exit_code, render
    from harness.oracle.cases import find_case

    case = find_case(model, batch, image_size)
    folder = Path(resolve_data(data, case.spec.dataset, case.spec.input_shape).folder)
    meant = meant_for(case, folder, step, seed)
    parties = parties_for(meant, folder, profile)
    location = locate(*parties, step=step, dtypes=("f64", "f32") if dtype == "f32" else ("f64",))
    click.echo(render(location, meant, step, profile, form), nl=False)
    sys.exit(exit_code(location))
