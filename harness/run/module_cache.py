"""The cache of compiled modules. A module is executed, so that only those are taken from it which this user put there.

Beside a module lies its record: the seconds of its compiler, the digest of its bytes and the seal of this user's
harness over both and over the key, the digest of all that the module was made of. Where others can write the cache, it
is not used: a module could be exchanged between the check and the loading. Modules then go to a folder that ends with
this process.
"""

import atexit
import hashlib
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.system.cache import cache_root
from harness.system.files import replace_file
from harness.system.notice import note_once
from harness.system.private import make_private, read_own, why_not_private
from harness.system.scratch import scratch
from harness.system.seal import is_sealed, make_seal

_COMPILER = "compiler"  # name of the file that says of which compiler the newest modules are
_LARGEST = 1 << 32  # bytes of a module
_LONGEST = 1 << 10  # bytes of a record


@dataclass(frozen=True)
class KeptModule:
    """A module that this user's harness compiled. Units: seconds of the compiler."""

    path: Path
    seconds: float


class ModuleCache:
    """The place of compiled modules: the cache, or where others can write that a folder of this process.

    Raises: OSError when it cannot be written.
    """

    def __init__(self) -> None:
        folder = cache_root() / "iree"
        make_private(folder)
        why = why_not_private(folder)
        if why is not None:
            note_once(
                f"compiled modules are not taken from the cache and not kept: {why}. "
                "Set HARNESS_CACHE to a folder that only you can write."
            )
        self._folder = folder if why is None else _folder_of_process()
        self._made = None if why is None else _made

    @property
    def folder(self) -> Path:
        """The folder, in which compilers may have theirs."""
        return self._folder

    def find(self, key: str) -> KeptModule | None:
        """The module of that key; None when there is none, or none that this user's harness left as it is."""
        if self._made is not None:
            return self._made.get(key)
        path, record = self._places(key)
        if not (os.path.lexists(path) and os.path.lexists(record)):
            return None
        seconds = _vouched_for(key, path, record)
        if seconds is None:
            note_once(
                f"modules in {self._folder} are not as this user's harness left them, or came there another way; "
                "they are not loaded but compiled again."
            )
            return None
        return KeptModule(path, seconds)

    def keep(self, key: str, made: Path, seconds: float) -> KeptModule:
        """Move a module that was just compiled to its place, and record it. Raises: OSError."""
        path, record = self._places(key)
        make_private(path.parent)
        if self._made is not None:
            made.replace(path)
            return self._made.setdefault(key, KeptModule(path, seconds))
        sha256, took = hashlib.sha256(made.read_bytes()).hexdigest(), f"{seconds:.3f}"
        seal = make_seal(b"module", key.encode(), took.encode(), sha256.encode())
        text = made.with_name("record")
        text.write_text(f"{took} {sha256} {seal}")
        text.replace(record)  # before the module: a record without one says nothing
        made.replace(path)
        return KeptModule(path, seconds)

    def note_compiler(self, version: str) -> None:
        """Say of which compiler the modules are, for a host that has the cache and not the compiler. Raises: OSError.

        It is only a word to look for modules by, each of which has its seal.
        """
        if self._made is None and self.compiler != version:
            with replace_file(self._folder / _COMPILER) as file:
                file.write(version.encode())

    @property
    def compiler(self) -> str | None:
        """The version of the compiler that made the newest modules, None where nobody said."""
        told = read_own(self._folder / _COMPILER, _LONGEST)
        return None if told is None else told.decode(errors="replace").strip()

    def _places(self, key: str) -> tuple[Path, Path]:
        """Paths of a module and of its record."""
        folder = self._folder / key[:2]
        return folder / f"{key}.vmfb", folder / f"{key}.record"


_made: dict[str, KeptModule] = {}  # by this process, in its folder
_open = ExitStack()
_first_come = threading.Lock()


def _folder_of_process() -> Path:
    """A folder that lasts as long as this process."""
    with _first_come:
        return _made_folder()


@cache
def _made_folder() -> Path:
    atexit.register(_open.close)
    return _open.enter_context(scratch())


def _vouched_for(key: str, path: Path, record: Path) -> float | None:
    """The seconds of the compiler, when record and module are as they were written."""
    told, module = read_own(record, _LONGEST), read_own(path, _LARGEST)
    if told is None or module is None:
        return None
    try:
        took, sha256, seal = told.decode().split()
        seconds = float(took)
    except ValueError:
        return None
    if hashlib.sha256(module).hexdigest() != sha256:
        return None
    return seconds if is_sealed(seal, b"module", key.encode(), took.encode(), sha256.encode()) else None
