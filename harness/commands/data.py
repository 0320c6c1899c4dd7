"""`harness data …`: fetch, path, list, synthetic."""

from pathlib import Path

import click

from harness.commands.paths import FolderPath
from harness.data import DATASETS
from harness.errors import DataError

_NAME = click.Choice(list(DATASETS))
_SYNTHETIC = click.Choice([facts.name for facts in DATASETS.values() if facts.synthetic])


@click.group("data")
def data_command() -> None:
    """Fetch data sets into the cache and say where they are."""


@data_command.command("fetch")
@click.argument("name", type=_NAME, metavar="NAME")
@click.option("--quiet", is_flag=True, help="Print the folder only.")
def fetch_command(name: str, quiet: bool) -> None:
    """Fetch a data set, check every byte, and print its folder. Files that are there and good are kept."""
    from harness.data.fetch import fetch

    click.echo(fetch(name, progress=not quiet))


@data_command.command("path")
@click.argument("name", type=_NAME, metavar="NAME")
def path_command(name: str) -> None:
    """Print the folder of a data set that is in the cache."""
    from harness.data.fetch import cached_folder, is_cached

    folder = cached_folder(name)
    if not is_cached(name):
        raise DataError(f"{folder}: {name} is not there, or not all of it. Run `harness data fetch {name}`.")
    click.echo(folder)


@data_command.command("list")
def list_command() -> None:
    """List the data sets of the table."""
    from harness.data.fetch import cached_folder, is_cached
    from harness.report.terminal import show
    from harness.system.text import Document, Table

    rows = [
        (
            facts.name,
            "x".join(map(str, facts.image_shape)),
            str(facts.classes),
            f"{sum(file.size for file in facts.files):,}",
            str(cached_folder(facts.name)) if is_cached(facts.name) else "not fetched",
        )
        for facts in DATASETS.values()
    ]
    show(Document([Table(("data set", "images", "classes", "bytes", "folder"), rows)]))


@data_command.command("synthetic")
@click.argument("folder", type=FolderPath())
@click.option("--name", type=_SYNTHETIC, default="mnist-synthetic", show_default=True)
@click.option("--train", type=int, help="Training images. Default: as many as the real set has.")
@click.option("--test", type=int, help="Test images. Default: as many as the real set has.")
def synthetic_command(folder: Path, name: str, train: int | None, test: int | None) -> None:
    """Write a synthetic stand-in into FOLDER, with as many images as wanted, for use with --data."""
    from harness.data.synthetic import write_synthetic

    write_synthetic(folder, [file.name for file in DATASETS[name].files], train, test)
    click.echo(folder)
