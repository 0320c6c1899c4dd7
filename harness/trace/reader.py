"""Reads a trace and refuses everything that is not one. `traces/README.md` specifies the format."""

import hashlib
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from harness.errors import TraceError
from harness.trace.column_reader import ColumnReader
from harness.trace.foreign import ForeignReader
from harness.trace.format import Trace, one_line

_BLOCK = 1 << 16  # bytes read at once: the lines and what is decoded from them stay in the processor's cache


def read_trace(
    path: str | Path,
    *,
    allow_truncated: bool = False,
    allow_parts: bool = False,
    allow_foreign: bool = False,
    with_lines: bool = False,
    with_digest: bool = False,
) -> Trace:
    """Read and check a whole trace, `.jsonl` or `.jsonl.gz`.

    `allow_truncated`: the prefix of a killed run is fine, an unfinished last line is left out.
    `allow_parts`: a trace of parts of a run is fine, whose rows are not its steps.
    `allow_foreign`: so is one that does not keep to the letter of the format, see `harness.trace.foreign`.
    `with_lines`: keep every step's line, not only those with optional channels. `with_digest`: compute `sha256`.

    Raises: TraceError `file:line: what`.
    """
    reader = (ForeignReader if allow_foreign else ColumnReader)(str(path), allow_truncated, allow_parts, with_lines)
    digest = hashlib.sha256() if with_digest else None
    try:
        if not stat.S_ISREG(mode := Path(path).stat().st_mode) and not stat.S_ISDIR(mode):
            raise TraceError(f"{reader.place(1)}: not a regular file; expected a trace file.")  # it may have no end
        with open_trace(path) as stream:
            for text in iter(lambda: stream.read(_BLOCK), b""):
                if digest is not None:
                    digest.update(text)
                reader.feed(text)
    except IsADirectoryError:
        raise TraceError(f"{reader.place(1)}: a directory; expected a trace file.") from None
    except (OSError, EOFError, zlib.error) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TraceError(f"{reader.place()}: cannot be read: {one_line(what)}.") from None
    return reader.finish(digest.hexdigest() if digest is not None else None)


def open_trace(path: str | Path) -> BinaryIO:
    """The bytes of a file, uncompressed. Raises: OSError."""
    if str(path).endswith(".gz"):
        import gzip

        return cast(BinaryIO, gzip.open(path))
    return Path(path).open("rb", buffering=0)
