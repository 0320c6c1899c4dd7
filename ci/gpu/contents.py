"""Names and list of a package of a GPU check, for both halves. Nothing but Python's own library is needed here."""

import argparse
import hashlib
import json
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

MANIFEST = "package.json"
FOLDER = "gpu-check"  # in the tar file
WHEELS = "wheels"
MODULES = "modules.tar.gz"  # the cache that they were compiled into, with its secret
DATA = "data.tar.gz"
MIB = 1 << 20
SAID = ("harness_version", "made", "python", "backend", "chip", "chip_variable", "compiler")


class PackageError(Exception):
    """A package that is not whole, or not for this machine, in one line."""


class Parser(argparse.ArgumentParser):
    """Options of a half; wrong ones are told in a line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}. --help explains the options.\n")


def sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, str]:
    """What the package says of itself (`SAID`), after each file was held to its digest. Raises: PackageError."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        digests = {name: str(file.get("sha256")) for name, file in told["files"].items()}
        said = {name: str(told[name]) for name in SAID}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise PackageError(f"{folder}: not a package of `gpu_check.sh prepare`: no {MANIFEST} of one in it.") from None
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or sha256(path) != digest:
            raise PackageError(f"{path}: absent or damaged; {MANIFEST} has another digest. Copy the package again.")
    for name in (MODULES, DATA, *(f"{WHEELS}/{wheel.name}" for wheel in folder.glob(f"{WHEELS}/*.whl"))):
        if name not in digests:
            raise PackageError(f"{folder / name}: {MANIFEST} does not have it. Copy the package again.")
    return said


def extract(packed: tarfile.TarFile, folder: Path) -> None:
    """Extract files and folders that lie below `folder`. Raises: PackageError for anything else, OSError.

    Python has a filter for this, and before 3.11.4 it has not.
    """
    for member in packed:
        path = PurePosixPath(member.name)
        if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise PackageError(f"{member.name!r} in the package is no file or folder below it. Nothing is run.")
        member.mode &= 0o755
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        packed.extract(member, folder, set_attrs=not member.isdir())
