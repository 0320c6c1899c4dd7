"""Reads the small JSON documents that a night keeps, whoever may have written them."""

from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import HarnessError
from harness.trace.format import one_line

T = TypeVar("T")
LARGEST = 64 << 20  # bytes; those of a long night have a thousandth of it


def read_document(path: Path, kind: type[T], what: str) -> T:
    """The document of a file, checked. `what`: as in `not a check`.

    Raises: FileNotFoundError; HarnessError for anything that is no such document, in one line.
    """
    try:
        if path.exists() and not path.is_file():
            problem = "it is not a regular file"
        elif path.stat().st_size > LARGEST:
            problem = f"it has more than {LARGEST >> 20} MiB"
        else:
            return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = error.strerror or str(error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = one_line(error)
    raise HarnessError(f"{one_line(path.name)}: not {what}: {problem}. Remove it, run the night again.")
