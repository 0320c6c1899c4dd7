"""Writing a file so that its name only ever holds the whole of it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
