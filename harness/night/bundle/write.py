"""Writes a bundle: the same files give the same bytes, whenever and by whomever they are packed."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import BinaryIO

from harness import __version__
from harness.errors import BundleError
from harness.night.bundle.format import BLOCK, CONTENTS, BundleFile, Contents, check_size, most_unpacked
from harness.night.bundle.gather import Gathered, open_member
from harness.system.files import json_document, replace_file
from harness.trace.format import one_line

_LEVEL = 6


def write_bundle(path: Path, gathered: Gathered) -> int:
    """Pack what was gathered into `path`, whole or not at all; the size of the bundle in bytes.

    Raises: BundleError when a file is too large, has too long a name or changes meanwhile; OSError.
    """
    members = [_member(name, file) for name, file in gathered.files.items()]
    contents = Contents(harness_version=__version__, host=gathered.host, members=members)
    listed = json_document(contents)
    check_size(CONTENTS, len(listed))
    with replace_file(path) as file:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=_LEVEL, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
                _add(archive, CONTENTS, len(listed), io.BytesIO(listed))
                for member in members:
                    with open_member(gathered.files[member.name]) as content:
                        hashed = _Hashed(content)
                        _add(archive, member.name, member.size, hashed)
                    if hashed.sha256.hexdigest() != member.sha256:
                        raise _changed(member.name)
            unpacked_size = packed.tell()
        packed_size = file.tell()
        if unpacked_size > most_unpacked(packed_size):
            raise BundleError(
                f"{one_line(path)}: {unpacked_size:,} bytes of cells, packed into {packed_size:,}; an import takes at "
                f"most {most_unpacked(packed_size):,} of those. Export fewer cells at a time."
            )
    return packed_size


def _member(name: str, path: Path) -> BundleFile:
    size, digest = 0, hashlib.sha256()
    with open_member(path) as content:
        while block := content.read(BLOCK):
            digest.update(block)
            size += len(block)
            check_size(name, size)
    return BundleFile(name, size, digest.hexdigest())


class _Hashed:
    """A file that takes the digest of what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self.sha256.update(block)
        return block


def _add(archive: tarfile.TarFile, name: str, size: int, content: BinaryIO | _Hashed) -> None:
    info = tarfile.TarInfo(name)  # no time, no owner
    info.size = size
    try:
        archive.addfile(info, content)
    except ValueError as error:  # what does not fit into the fields of a header
        raise BundleError(f"{one_line(name)}: cannot be a member of a bundle: {one_line(error)}.") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _changed(name) from None  # it has become shorter


def _changed(name: str) -> BundleError:
    return BundleError(f"{one_line(name)}: changed while it was exported. Export it again when its run is over.")
