"""`harness report FOLDER…`."""

import sys
from pathlib import Path

import click

from harness.commands.options import coverage_option, mode_option, references_option, verbose_option
from harness.commands.paths import FilePath, FolderPath


@click.command("report")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=FolderPath(), required=True, help="Folder for the report.")
@click.option("--title", metavar="TEXT", help="Default: that of the night.")
@mode_option
@coverage_option
@click.option(
    "--history",
    type=FilePath(),
    metavar="FILE",
    help="A Parquet file of earlier nights; the pairs of this one are added.",
)
@references_option
@verbose_option
def report_command(
    folders: tuple[Path, ...],
    out: Path,
    title: str | None,
    mode: str,
    coverage: float,
    history: Path | None,
    references: Path,
    verbose: bool,
) -> None:
    """Judge every pair of the cells in FOLDERS, of one host or of several, and write one report about them.

    A folder is that of a night, or any other with traces and manifests in it.

    Exit codes: 0 all agree, 1 something differs, 2 usage, 3 inconclusive.
    """
    from harness.report.summary import UNDATED, terminal
    from harness.report.summary.build import summarise
    from harness.report.summary.write import record_history, write_summary
    from harness.report.terminal import show
    from harness.verdict.compare import judging_by

    judging = judging_by(mode, coverage=coverage)
    summary = summarise(folders, judging, title=title, history=history, references=references)
    paths = write_summary(out, summary)
    if history is not None and summary.night != UNDATED:
        record_history(history, summary)
    show(terminal.render(summary, verbose=verbose))
    click.echo(f"\nReports: {', '.join(map(str, paths))}")
    sys.exit(summary.exit_code)
