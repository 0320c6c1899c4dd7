"""`harness convert TRACE…`."""

import sys
from pathlib import Path

import click

from harness.commands.completion import complete_traces
from harness.commands.paths import FolderPath


@click.command("convert")
@click.argument(
    "traces", nargs=-1, required=True, metavar="TRACE…", type=click.Path(path_type=Path), shell_complete=complete_traces
)
@click.option("--to", "form", type=click.Choice(["tensorboard", "mllog"]), required=True)
@click.option(
    "-o",
    "--out",
    type=FolderPath(),
    required=True,
    metavar="FOLDER",
    help="Where the converted traces go, under the names of the traces.",
)
def convert_command(traces: tuple[Path, ...], form: str, out: Path) -> None:
    """Write traces in the format of another tool: TensorBoard event files, or MLPerf training logs.

    The prefix of a run that did not end is converted too. Exit codes: 0 all converted, 2 one could not be read.
    """
    from harness.errors import TraceError
    from harness.trace.convert import FORMATS
    from harness.trace.recording import read_recording, recording_name

    names = [recording_name(path) for path in traces]
    for path, name in zip(traces, names, strict=True):
        if name in ("", ".", ".."):
            raise TraceError(f"{path}: a file of this name cannot be converted. Rename it to NAME.jsonl.")
        if names.count(name) > 1:
            raise TraceError(f"two of the traces are called {name}. Convert them one by one into folders of their own.")
    unreadable = False
    for path, name in zip(traces, names, strict=True):
        try:
            recording = read_recording(path, with_lines=True, allow_truncated=True)
        except TraceError as error:
            click.echo(f"harness: {error}", err=True)
            unreadable = True
            continue
        if recording.trace.truncated:
            click.echo(f"harness: {path}: the last line has no end and is left out.", err=True)
        place = FORMATS[form].place(out, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        FORMATS[form].write(recording, place)
        click.echo(str(place))
    sys.exit(2 if unreadable else 0)
