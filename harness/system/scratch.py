"""Folders for a while, which nothing survives: what a killed process left is removed by the next that comes there.

A living process holds a lock on its folder. The system gives a lock back however a process ends, so that a folder
without one is nobody's.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.system.private import make_private, why_not_private

_PREFIX = ".scratch-"


def temporary_root() -> Path:
    """The folder of this user for what is temporary and has no place in the cache.

    Raises: OSError when it cannot be made, or when others can write it.
    """
    root = Path(tempfile.gettempdir(), f"training-trace-harness-{os.geteuid()}")
    make_private(root)
    if why := why_not_private(root):
        raise OSError(f"{why}, expected a folder of this user alone. Remove it, or set TMPDIR to another place")
    return root


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A new folder for this user alone below `parent`, which is made where there is none, or the temporary root.

    Removed on leaving; before, those that killed processes left there are. Raises: OSError.
    """
    root = temporary_root() if parent is None else parent
    make_private(root)
    _sweep(root)
    folder, lock = _locked_folder(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder(root: Path) -> tuple[Path, int]:
    """A new folder and its lock. One that is swept before it is locked is made anew."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=root, prefix=_PREFIX))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(root: Path) -> None:
    """Remove the folders that no living process has locked."""
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # removed by another, or locked by the living
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
