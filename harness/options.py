"""Options that several verbs have; imports nothing that a fast start does not want."""

from collections.abc import Callable
from typing import Any

import click

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

dtype_option: Option = click.option("--dtype", type=click.Choice(["f32", "f64"]), default="f32", show_default=True)
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
data_option: Option = click.option(
    "--data", metavar="FOLDER|synthetic", help="Data. Default: the network's data set, fetched once."
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
