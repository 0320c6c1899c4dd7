"""`harness import FILE…`."""

from pathlib import Path

import click

from harness.commands.paths import FolderPath


@click.command("import")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--into",
    type=FolderPath(),
    default=Path("traces/imported"),
    show_default=True,
    help="Each import gets a folder HOST/N there.",
)
def import_command(bundles: tuple[Path, ...], into: Path) -> None:
    """Take in the cells of bundles that `export` wrote on other hosts.

    A bundle is checked to the last digest before anything of it can be seen. Cells that are there already stay as they
    are; a bundle with another cell of the same host and name is refused.

    Exit codes: 0, 2 a bundle was refused: nothing of it, and of those after it, was imported.
    """
    from harness.night.bundle.land import import_bundle
    from harness.system.text import escape_control

    for bundle in bundles:
        landed = import_bundle(bundle, into)
        where = f" in {landed.folder}" if landed.folder is not None else ""
        there = f", {landed.there} already there" if landed.there else ""
        click.echo(escape_control(f"{bundle}: {landed.new} new cells of {landed.host}{where}{there}"))
