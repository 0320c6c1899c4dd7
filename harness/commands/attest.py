"""`harness attest make CELLS… -o FOLDER` and `harness attest verify STATEMENT…`."""

import sys
from pathlib import Path

import click

from harness.commands.completion import complete_traces
from harness.commands.paths import FilePath, FolderPath

_UNREADABLE = 2


@click.group("attest")
def attest_command() -> None:
    """Tell where cells come from as in-toto statements, and hold files to them."""


@attest_command.command("make")
@click.argument(
    "cells", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CELLS…", shell_complete=complete_traces
)
@click.option("-o", "--out", required=True, type=FolderPath(), metavar="FOLDER", help="For them.")
@click.option("--key", type=FilePath(), metavar="FILE", help="Sign with this Ed25519 key (PEM).")
def make_command(cells: tuple[Path, ...], out: Path, key: Path | None) -> None:
    """Write a statement of each cell: what its files are, and all that they were made from.

    CELLS are traces, manifests or folders of cells. A cell that left no trace has nothing to tell.

    Exit codes: 0, 2 a cell or the key cannot be read, or a cell holds what no statement can.
    """
    from harness.report.attest.make import write_statements
    from harness.system.text import escape_control
    from harness.trace.store import verified_cells

    signer = None
    if key is not None:
        from harness.report.attest.signature import read_private_key

        signer = read_private_key(key)
    written = write_statements(out, verified_cells(cells), signer=signer)
    for path in written.paths:
        click.echo(escape_control(str(path)))
    for line in written.left_out:
        click.echo(escape_control(f"harness: {line}"), err=True)
    sys.exit(_UNREADABLE if written.left_out else 0)


@attest_command.command("verify")
@click.argument("statements", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STATEMENT…")
@click.option(
    "--root",
    type=FolderPath(exists=True),
    metavar="FOLDER",
    help="Look for the files below this one. Default: the folders that the statement is in.",
)
@click.option("--key", type=FilePath(), metavar="PUB", help="Hold them to this key (PEM).")
def verify_command(statements: tuple[Path, ...], root: Path | None, key: Path | None) -> None:
    """Hold files to the statements about them; of a folder, to all statements in it.

    Exit codes: 0 all match, 1 a file or a signature does not, 2 a statement cannot be read, 3 a file is missing.
    """
    from harness.errors import AttestationError
    from harness.report.attest.signature import read_public_key
    from harness.report.attest.verify import every_statement, verify_statement
    from harness.system.text import escape_control
    from harness.verdict.judge import worst_exit_code

    public = None if key is None else read_public_key(key)
    codes = []
    for path in every_statement(statements):
        try:
            verified = verify_statement(path, root, public)
        except AttestationError as error:
            click.echo(f"harness: {error}", err=True)
            codes.append(_UNREADABLE)
            continue
        click.echo(escape_control(f"{path}: {verified.signature}"))
        for held in verified.subjects:
            other = f": SHA-256 {held.found}" if held.outcome == "mismatch" else ""
            click.echo(escape_control(f"  {held.outcome:8}  {held.subject.name}{other}"))
        codes.append(verified.exit_code)
    sys.exit(worst_exit_code(codes))
