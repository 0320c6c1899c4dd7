"""Names and list of a package of a GPU check, for both halves. Nothing but Python's own library is needed here."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

MANIFEST = "package.json"
FOLDER = "gpu-check"  # in the tar file
WHEELS = "wheels"
MODULES = "modules.tar.gz"  # the cache that they were compiled into, with its secret
DATA = "data.tar.gz"
MIB = 1 << 20


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


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the package says of itself, after each of its files was held to its digest. Raises: PackageError."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        files: dict[str, dict[str, Any]] = told["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PackageError(f"{folder}: not a package of `gpu_check.sh prepare`: no {MANIFEST} in it.") from None
    for name, file in files.items():
        path = folder / name
        if not path.is_file() or sha256(path) != file["sha256"]:
            raise PackageError(f"{path}: absent or damaged; {MANIFEST} has another digest. Copy the package again.")
    return told
