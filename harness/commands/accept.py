"""`harness accept CELL…`."""

import sys
from pathlib import Path

import click

from harness.commands.completion import complete_traces
from harness.commands.paths import FolderPath


@click.command("accept")
@click.argument(
    "cells", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CELL…", shell_complete=complete_traces
)
@click.option("--reason", required=True, help="Why these traces are right from now on; it is kept with them.")
@click.option("--force", is_flag=True, help="Also accept a change that rounding does not explain.")
@click.option(
    "--into",
    type=FolderPath(),
    default=Path("traces/reference"),
    show_default=True,
    help="Folder of the references.",
)
def accept_command(cells: tuple[Path, ...], reason: str, force: bool, into: Path) -> None:
    """Make the traces CELL… (NAME.jsonl, with their manifests) the references that later nights are held to.

    They are judged against the references before them. Exit codes: 0 accepted, 1 a change that rounding does not
    explain, and nothing was written, 2 usage or not a whole cell.
    """
    from harness.night.references.accept import propose, write
    from harness.system.text import escape_control

    proposals = propose(cells, reason, into, force=force)
    refused = [proposal for proposal in proposals if proposal.refused]
    for proposal in refused:
        verdict = proposal.acceptance.verdict
        assert verdict is not None
        line = f"{proposal.trace}: refused, {verdict.sentence} Nothing was written; --force accepts it all the same."
        click.echo(escape_control(f"harness: {line}".replace("\n", " ")), err=True)
    if refused:
        sys.exit(1)
    write(proposals, into)
    for proposal in proposals:
        click.echo(escape_control(f"{into / proposal.path}: {proposal.sentence}"))
