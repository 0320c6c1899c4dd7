"""Files whose names only ever hold the whole of them, and the JSON documents that are written that way."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

PART_SUFFIX = ".part"


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving, flush it to disk and rename it to `path`, or remove it on error.

    A killed process leaves at most a hidden file ending in `.part`. Symbolic links are followed; a device or a folder
    is refused.

    Raises: OSError.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"{path} exists and is not a regular file")
    part = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def json_document(value: Any, *, indent: int = 1) -> bytes:
    """A value as JSON that people can read, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"


def write_json(path: Path, value: Any, *, indent: int = 1) -> None:
    """Write a value as a JSON document, whole or not at all. Raises: OSError."""
    with replace_file(path) as file:
        file.write(json_document(value, indent=indent))
