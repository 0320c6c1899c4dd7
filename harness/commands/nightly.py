"""`harness nightly CONFIG`."""

import sys
from pathlib import Path

import click

from harness.commands.options import read_names, references_option, verbose_option
from harness.commands.paths import FilePath, FolderPath
from harness.commands.usage import FiniteRange

NIGHTS = Path("reports/nightly")


@click.command("nightly")
@click.argument("config", type=FilePath(), default=Path("ci/nightly.toml"))
@click.option(
    "--out",
    type=FolderPath(),
    help=f"Folder of the night. Default: {NIGHTS}/DATE, or that of a recent night that was interrupted.",
)
@click.option(
    "--history",
    type=FilePath(),
    default=NIGHTS / "history.parquet",
    show_default=True,
    help="One row per pair per night is added to it.",
)
@references_option
@click.option("--budget", type=FiniteRange(min=0), metavar="MINUTES", help="Default: that of CONFIG.")
@click.option("--backends", callback=read_names, metavar="A,B", help="In place of those of CONFIG.")
@click.option("--engine", metavar="ray[://HOST:PORT]", help="Spread the night over the hosts of a Ray cluster.")
@verbose_option
def nightly_command(
    config: Path,
    out: Path | None,
    history: Path,
    references: Path,
    budget: float | None,
    backends: tuple[str, ...] | None,
    engine: str | None,
    verbose: bool,
) -> None:
    """Run what CONFIG says, all night long: cells, their verdicts, checks, and one report about it.

    A night that was interrupted goes on where it was: what has been run is not run again.

    Exit codes: 0 all agree, 1 something differs, 2 usage, 3 inconclusive or not run.
    """
    import datetime

    from harness.night.config import override_backends, parse_config, read_text
    from harness.night.folder import NightFolder, begin, find_folder
    from harness.night.run import Budget, run_night
    from harness.night.spread.engine import find_engine
    from harness.night.spread.run import run_spread
    from harness.report.summary import terminal
    from harness.report.summary.build import summarise
    from harness.report.summary.history import read_history
    from harness.report.summary.write import record_history, write_summary
    from harness.report.terminal import show
    from harness.system.lock import exclusive
    from harness.system.process import interruptible
    from harness.verdict.compare import Judging

    text = read_text(config)
    parsed = override_backends(parse_config(text, str(config), config.parent), backends, "--backends")
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    chosen = find_engine(engine)
    spread = engine is not None
    folder = NightFolder(out) if out is not None else find_folder(NIGHTS, text, now, backends, spread=spread)
    read_history(history)  # one that cannot be read ends the night before it begins
    interruptible()
    with exclusive(folder.path, f"{folder.path}: this night is running. Wait for it, or choose another --out."):
        night = begin(folder, text, now, backends, spread=spread)
        say = TimedLog(f"night of {night.night.isoformat()} in {folder.path}")
        limit = Budget(parsed.budget_minutes if budget is None else budget)
        if night.spread:
            run_spread(folder, night, chosen, limit, say, config.parent)
        else:
            run_night(folder, night, limit, say, config.parent)
        judging = Judging(coverage=parsed.require_coverage / 100)
        summary = summarise([folder.path], judging, history=history, references=references)
        paths = write_summary(folder.path, summary)
        record_history(history, summary)
    show(terminal.render(summary, verbose=verbose))
    click.echo(f"\nReports: {', '.join(map(str, paths))}")
    sys.exit(summary.exit_code)


class TimedLog:
    """A log on standard error, line by line, with the minutes since the beginning."""

    def __init__(self, title: str) -> None:
        import time

        self._clock = time.monotonic
        self._started = self._clock()
        self(title)

    def __call__(self, line: str) -> None:
        """Print a line."""
        from harness.system.text import escape_control

        minutes = (self._clock() - self._started) / 60
        click.echo(escape_control(f"[{minutes:5.1f} min] {line}"), err=True)
