"""Files whose names only ever hold the whole of them, and the JSON documents that are written that way."""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

PART_SUFFIX = ".part"


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving, flush it to disk and rename it to `path`, or remove it on error.

    A killed process leaves at most a hidden file ending in `.part`, which the next that writes `path` removes. Symbolic
    links are followed; a device or a folder is refused.

    Raises: OSError.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"{path} exists and is not a regular file")
    sweep_parts(target.parent, target.name)
    part = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        with _open_locked(part) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException as error:  # an interruption as well: it must leave no half of a file
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(part):
            error.filename = str(path)  # the one that the caller knows
        raise


def sweep_parts(folder: Path, name: str = "") -> None:
    """Remove the temporary files of `replace_file`, of one name or of all, that killed processes left in a folder.

    A living process holds a lock on its own, which the system gives back however a process ends.
    """
    start = f".{name}." if name else "."
    with contextlib.suppress(OSError):
        left = [found for found in folder.iterdir() if found.name.startswith(start) and found.suffix == PART_SUFFIX]
        for part in left:
            with contextlib.suppress(OSError):
                number = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
                finally:
                    os.close(number)


def _open_locked(part: Path) -> BinaryIO:
    """A new file that no other process removes; one that is swept before it is locked is made anew."""
    while True:
        file = part.open("xb")
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if part.exists():
            return file
        file.close()


def open_alone(path: Path) -> FileIO:
    """Open a file, emptied and unbuffered, that nobody else writes to who opens it in this way.

    Raises: BlockingIOError when somebody does, and the file is as it was; OSError.
    """
    file = FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666), "wb")
    file.name = str(path)
    try:
        if path.is_file():  # several may write to a device
            with _unless_without_locks():
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
    except BaseException:  # an interruption as well: the lock goes with the file
        file.close()
        raise
    return file


def release(file: FileIO) -> None:
    """Let others open the file, although a process that was forked from this one may still have it open."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def _unless_without_locks() -> Iterator[None]:
    """Around the locking of a file: some file systems know no locks."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError:
        pass


def json_document(value: Any, *, indent: int = 1) -> bytes:
    """A value as JSON that people can read, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"


def write_json(path: Path, value: Any, *, indent: int = 1) -> None:
    """Write a value as a JSON document, whole or not at all. Raises: OSError."""
    with replace_file(path) as file:
        file.write(json_document(value, indent=indent))


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
