"""Reads a bundle that anybody may have made: in one pass, in bounded memory, with every claim held to what is there.

`tarfile` decodes the headers and has a say in each of them. The walk from header to header is here: its own reads
of extended headers take as much memory as those claim to need, and a bundle has none.
"""

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from harness.errors import BundleError
from harness.night.bundle.format import (
    BLOCK,
    CONTENTS,
    BundleFile,
    Contents,
    check_name,
    check_size,
    most_unpacked,
    read_contents,
)
from harness.trace.format import one_line

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)


def unpack(bundle: Path, folder: Path) -> Contents:
    """Unpack into a folder that is empty. Whether the files make whole cells is for the caller to see.

    Raises: BundleError without the name of the bundle, when it is not to the letter what a bundle is; OSError.
    """
    try:
        with bundle.open("rb") as file, gzip.GzipFile(fileobj=file) as stream:
            return _unpack(_Counted(stream, most_unpacked(bundle.stat().st_size)), folder)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BundleError(f"not a gzip file, or a damaged one: {one_line(error)}.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        name = Path(error.filename).relative_to(folder) if error.filename else "a member"
        raise BundleError(
            f"{one_line(name)}: is in the way of another member, or is one under another spelling."
        ) from None


class _Counted:
    """A stream that ends in an error where it unpacks to more than it may."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream = stream
        self._left = most
        self.most = most

    def take(self, size: int) -> bytes:
        """Exactly so many bytes, at most `BLOCK`."""
        self._left -= size
        if self._left < 0:
            raise BundleError(f"unpacks to more than {self.most:,} bytes, which is the most for a bundle of its size.")
        block = self._stream.read(size)
        if len(block) < size:
            raise BundleError("ends in the middle; the file is truncated.")
        return block

    def rest(self) -> bytes:
        """The remaining bytes, up to a little more than a tar file's last record."""
        return self._stream.read(tarfile.RECORDSIZE + 1)


def _unpack(stream: _Counted, folder: Path) -> Contents:
    first = _next_header(stream, folder)
    if first is None or first.name != CONTENTS:
        raise BundleError(f"no bundle: the first member is not {CONTENTS}.")
    check_size(CONTENTS, first.size)
    contents = read_contents(b"".join(_blocks(stream, first.size)))
    missing = {member.name: member for member in contents.members}
    if sum(member.size for member in contents.members) > stream.most:
        raise BundleError(f"lists more than {stream.most:,} bytes, which is the most for a bundle of its size.")
    found: set[str] = set()
    while (header := _next_header(stream, folder)) is not None:
        check_name(header.name)
        if header.name in found:
            raise BundleError(f"{one_line(header.name)}: is in it twice.")
        found.add(header.name)
        member = missing.pop(header.name, None)
        if member is None:
            raise BundleError(f"{one_line(header.name)}: is not listed in {CONTENTS}.")
        _write(stream, header.size, member, folder)
    if missing:
        raise BundleError(f"{one_line(next(iter(missing)))}: is listed in {CONTENTS} and not there.")
    rest = stream.rest()
    if len(rest) > tarfile.RECORDSIZE or rest.strip(b"\0"):
        raise BundleError("goes on behind its end.")
    return contents


def _next_header(stream: _Counted, folder: Path) -> tarfile.TarInfo | None:
    """The next header, None at the end. Only of a regular file whose content can be read: nothing else is a member."""
    block = stream.take(tarfile.BLOCKSIZE)
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        if header.type not in _REGULAR:
            kind = _KINDS.get(header.type, f"of a kind that bundles do not have ({ascii(header.type)[1:]})")
            raise BundleError(f"{one_line(header.name)}: is {kind}; a bundle holds files only.")
        if header.size < 0 or tarfile.data_filter(header, str(folder)).name != header.name:
            raise BundleError(f"{one_line(header.name)}: no sound header.")
    except tarfile.FilterError:
        raise BundleError(f"{one_line(header.name)}: leads out of the bundle.") from None
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise BundleError(f"no tar file, or a damaged one: {one_line(error)}.") from None
    return header


def _write(stream: _Counted, claimed: int, member: BundleFile, folder: Path) -> None:
    """One member's content into its file."""
    if claimed != member.size:
        raise BundleError(f"{member.name}: its header says {claimed:,} bytes, {CONTENTS} {member.size:,}.")
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for block in _blocks(stream, member.size):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != member.sha256:
        raise BundleError(f"{member.name}: SHA-256 {digest.hexdigest()}; {CONTENTS} says {member.sha256}.")


def _blocks(stream: _Counted, size: int) -> Iterator[bytes]:
    """A member's content, and past what fills its last block."""
    for start in range(0, size, BLOCK):
        yield stream.take(min(BLOCK, size - start))
    stream.take(-size % tarfile.BLOCKSIZE)
