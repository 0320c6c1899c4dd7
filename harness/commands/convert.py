"""`harness convert FILE…`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.completion import complete_traces
from harness.commands.log_options import log_keys, log_options
from harness.commands.paths import FolderPath

if TYPE_CHECKING:
    from harness.trace.logs.keys import LogKeys
    from harness.trace.recording import Recording

_ANY = "auto"


@click.command("convert")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path), shell_complete=complete_traces
)
@click.option(
    "--from",
    "source",
    metavar=f"{_ANY}|FORMAT",
    help=f"Read logs of another tool; `{_ANY}` finds the format. Without it the files are traces.",
)
@click.option("--to", "form", type=click.Choice(["trace", "tensorboard", "mllog"]), help="Default of logs: trace.")
@log_options
@click.option(
    "-o",
    "--out",
    type=FolderPath(),
    required=True,
    metavar="FOLDER",
    help="Where the results go, under the names of the files.",
)
def convert_command(
    files: tuple[Path, ...],
    source: str | None,
    form: str | None,
    out: Path,
    runs: tuple[str, ...],
    **keys: tuple[str, ...],
) -> None:
    """Write logs of other tools as traces, and traces as TensorBoard event files or MLPerf training logs.

    The prefix of a run that did not end is converted too. Exit codes: 0 all converted, 2 one could not be read.
    """
    from harness.errors import TraceError, unknown
    from harness.trace.convert import FORMATS
    from harness.trace.logs.formats import LOG_FORMATS
    from harness.trace.recording import recording_name

    if source is not None and source not in (_ANY, *LOG_FORMATS):
        raise click.UsageError(unknown("format", source, (_ANY, *LOG_FORMATS)))
    if source is None and form is None:
        raise click.UsageError("say what the files are converted to with --to, or what they are with --from.")
    told = log_keys(len(files), runs, **keys)
    names = [recording_name(path) if source is None else path.name.partition(".")[0] or path.name for path in files]
    for path, name in zip(files, names, strict=True):
        if name in ("", ".", ".."):
            raise TraceError(f"{path}: a file of this name cannot be converted. Rename it to NAME.jsonl.")
        if names.count(name) > 1:
            raise TraceError(f"two of the files are called {name}. Convert them one by one into folders of their own.")
    unreadable = False
    for path, name, columns in zip(files, names, told, strict=True):
        try:
            recording = _read(path, source, columns)
        except TraceError as error:
            click.echo(f"harness: {error}", err=True)
            unreadable = True
            continue
        if recording.trace.truncated:
            click.echo(f"harness: {path}: the last line has no end and is left out.", err=True)
        target = FORMATS[form or "trace"]
        place = target.place(out, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        target.write(recording, place)
        click.echo(str(place))
    sys.exit(2 if unreadable else 0)


def _read(path: Path, source: str | None, keys: "LogKeys") -> "Recording":
    """A trace, or a log in words about what it was found to be. Raises: TraceError."""
    from harness.report.tables import describe_side
    from harness.trace.logs.read import read_log
    from harness.trace.recording import Recording, read_foreign, read_recording

    if source is None:
        return read_recording(path, with_lines=True, allow_truncated=True)
    recording = read_foreign(path, keys) if source == _ANY else Recording(read_log(path, keys, source))
    click.echo(f"harness: {describe_side(recording, None)}", err=True)
    return recording
