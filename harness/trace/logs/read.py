"""Reads the log of another tool."""

from pathlib import Path

from harness.errors import PackageError, TraceError
from harness.trace.format import Trace, one_line
from harness.trace.logs.events import event_files
from harness.trace.logs.file import read_log_file
from harness.trace.logs.formats import LOG_FORMATS, find_format
from harness.trace.logs.keys import LogKeys


def read_log(path: str | Path, keys: LogKeys, name: str | None = None) -> Trace:
    """The trace of a log, in the format of that name in `LOG_FORMATS` or in the one that its content shows.

    `path`: of a file or, of TensorBoard's event files, of the folder that holds those of one run.

    Raises: TraceError.
    """
    folder = Path(path)
    files = event_files(folder) if folder.is_dir() else [folder]
    if not files:
        raise TraceError(f"{one_line(path)}:1: a directory; expected a trace, a log or a folder of event files.")
    source = read_log_file(str(path), files)
    found = find_format(source) if name is None else LOG_FORMATS[name]
    if found is None and not source.content.strip():
        raise source.error("the file is empty; expected a trace or a log.")
    if found is None and source.text.lstrip().startswith(("{", "[")):
        raise source.error(f"not JSON: {source.json_error}; expected a trace or a log.")
    if found is None:
        raise source.error("neither a trace nor a log of a format that is known (docs/logs.md lists them).")
    try:
        return found.read(source, keys, found.label)
    except PackageError as error:
        raise source.error(f"{found.label}: {error}") from None
