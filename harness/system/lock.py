"""One process at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ContractError


@contextmanager
def exclusive(folder: Path, complaint: str) -> Iterator[None]:
    """Hold the folder, which is made where there is none. The system gives it back, however this process ends.

    Raises: ContractError with the complaint when another process holds it; OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ContractError(complaint) from None
        yield
