"""Options that several verbs have; imports nothing that a fast start does not want."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.commands.completion import complete_models
from harness.commands.paths import FolderPath

# The names in `harness.verdict.tolerance`, which needs numpy.
MODES = ("bitwise", "strict", "cross-gpu", "cross-comp")

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def read_names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names separated by commas, each once; for an option's `callback`."""
    if value is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not names:
        raise click.BadParameter("expected names separated by commas.")
    return names


def read_count(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """A whole number of at least 1, or `full`; for an option's `callback`."""
    if value is None or value == "full":
        return value
    if not (value.isascii() and value.isdecimal() and len(value) <= 16 and int(value) >= 1):
        raise click.BadParameter(f"{value!r} is neither a whole number of at least 1 nor `full`.")
    return int(value)


def read_share(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float:
    """A percentage, with or without its sign, as a share; 0 unless given; for an option's `callback`."""
    if value is None:
        return 0.0
    number = value.strip().removesuffix("%").strip()
    if not (number.replace(".", "", 1).isdecimal() and number.isascii() and float(number) <= 100):
        raise click.BadParameter(f"{value!r} is no percentage from 0 to 100.")
    return float(number) / 100


def renamed(new_names: dict[str, str]) -> dict[str, Any]:
    """`context_settings` of a command that still takes old names of its options, without dashes; help shows the new."""
    return {"token_normalize_func": lambda name: new_names.get(name, name)}


model_argument: Option = click.argument("model", shell_complete=complete_models)
dtype_option: Option = click.option(
    "--dtype", type=click.Choice(["f32", "f64", "wide"]), default="f32", show_default=True
)
profile_option: Option = click.option(
    "--profile",
    type=click.Choice(["shared", "published"]),
    default="shared",
    show_default=True,
    help="Conventions of both pipelines: all alike, or what the published programs ran.",
)
batch_option: Option = click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", help="Examples a step. Default: the network's own."
)
image_size_option: Option = click.option(
    "--image-size", type=click.IntRange(min=1), metavar="N", help="Pixels a side, for networks that take several sizes."
)
seed_option: Option = click.option(
    "--seed", type=click.IntRange(0, 2**32), default=42, show_default=True, help="Seed of the initial parameters."
)
start_option: Option = click.option(
    "--start",
    type=click.Choice(["drawn", "stressed"]),
    default="drawn",
    show_default=True,
    help="Initial parameters: as drawn, or large ones that show where a formula overflows or cancels.",
)
data_option: Option = click.option(
    "--data", metavar="FOLDER|synthetic", help="Data. Default: the network's data set, fetched once."
)
mode_option: Option = click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[-1],
    show_default=True,
    help="Tolerance, strictest first; what passes one passes every later one.",
)
window_option: Option = click.option(
    "--window",
    type=click.IntRange(min=1),
    metavar="N",
    help="Judge the first N steps one by one; beyond them only what lasts judges. Default: 8, or to the horizon of the "
    "run's envelope where that is later; bitwise: all.",
)
all_steps_option: Option = click.option("--all-steps", is_flag=True, help="Judge every compared step one by one.")
coverage_option: Option = click.option(
    "--require-coverage",
    "coverage",
    callback=read_share,
    metavar="N%",
    help="Pass no pair of which fewer steps are judged as closely as rounding allows.",
)
segment_option: Option = click.option(
    "--segment",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Steps of a lockstep run between two settings to the other's state.",
)
references_option: Option = click.option(
    "--references",
    type=FolderPath(),
    default=Path("traces/reference"),
    show_default=True,
    help="Folder of accepted traces that cells are held to.",
)
verbose_option: Option = click.option(
    "--verbose", is_flag=True, help="Print the evidence of every pair, also of those that agree."
)
jobs_option: Option = click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at a time. Default: one a core."
)


def format_option(*forms: str) -> Option:
    """`--format`, the parameter `form`, one of `forms`; the first by default."""
    choice = click.Choice(forms)
    return click.option(
        "--format", "form", type=choice, default=forms[0], show_default=True, help="How to print the result."
    )
