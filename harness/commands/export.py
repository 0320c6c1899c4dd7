"""`harness export CELLS… -o FILE`."""

from pathlib import Path

import click

from harness.commands.completion import complete_traces
from harness.commands.paths import FilePath


@click.command("export")
@click.argument(
    "cells", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CELLS…", shell_complete=complete_traces
)
@click.option("-o", "--out", required=True, type=FilePath(), metavar="FILE", help="The bundle.")
def export_command(cells: tuple[Path, ...], out: Path) -> None:
    """Pack cells into one file, for another host to import.

    CELLS are traces, manifests or folders of cells; of a night's folder its plan and checks go along. Each trace is
    held to the digest of its manifest first. The same cells give the same bytes.

    Exit codes: 0, 2 a cell is damaged or cannot be read.
    """
    from harness.night.bundle.gather import gather
    from harness.night.bundle.write import write_bundle
    from harness.system.text import escape_control

    gathered = gather(cells)
    for trace in gathered.left_out:
        click.echo(escape_control(f"left out: {trace} has no manifest: its run is not over, or was killed."), err=True)
    for trace in gathered.earlier:
        click.echo(escape_control(f"left out: {trace} is of an earlier run than the newest there."), err=True)
    size = write_bundle(out, gathered)
    click.echo(
        escape_control(f"{out}: {gathered.cells} cells of {gathered.host}, {len(gathered.files)} files, {size:,} bytes")
    )
