"""Folders that only this user can write: what is executed or believed comes from nowhere else."""

import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone. Raises: OSError."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def why_not_private(folder: Path) -> str | None:
    """Reason why somebody else could put a file there, None when nobody can.

    The folder is this user's and others cannot write it. Whoever can write a folder above it can put another one in its
    place: those belong to this user or to the system, and where others write them, each may move only what is their
    own (the sticky bit).
    """
    try:
        real = folder.resolve(strict=True)
        for place in (real, *real.parents):
            found = place.stat()
            if found.st_uid != os.geteuid() and (place == real or found.st_uid != 0):
                return f"{place} belongs to another user"
            if found.st_mode & _OTHERS_WRITE and (place == real or not found.st_mode & stat.S_ISVTX):
                return f"{place} can be written by other users"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def read_own(path: Path, most: int, others_may: int = ~_OTHERS_WRITE) -> bytes | None:
    """The bytes of a regular file of this user, None for anything else and for more than `most` bytes.

    A link is not followed, and a pipe is not waited for. `others_may`: the bits that the mode may have; all but writing
    by others.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(number)
            ours = found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & ~others_may
            if not (stat.S_ISREG(found.st_mode) and ours) or found.st_size > most:
                return None
            with os.fdopen(number, "rb", closefd=False) as file:
                return file.read(most)
        finally:
            os.close(number)
    except OSError:
        return None
