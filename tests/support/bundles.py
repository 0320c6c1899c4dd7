"""Bundles that no export would write, for the tests of whoever takes them in."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def listing(files: Mapping[str, bytes], **changes: Any) -> bytes:
    """A `bundle.json` of files as they are."""
    members = [{"name": name, "size": len(content), "sha256": sha256(content)} for name, content in files.items()]
    told = {"bundle_version": 1, "harness_version": "0", "host": "host a", "members": members}
    return json.dumps(told | changes).encode()


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """The header block of a member, in the older GNU form, which has room for any size."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def member(name: str, content: bytes) -> bytes:
    """A regular member."""
    return header(name, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def tar(parts: Sequence[bytes]) -> bytes:
    """Parts as a whole tar file."""
    return b"".join(parts) + bytes(2 * tarfile.BLOCKSIZE)


def packed(content: bytes, level: int = 1) -> bytes:
    """A gzip file."""
    return gzip.compress(content, level, mtime=0)


def write_bundle_of(path: Path, files: Mapping[str, bytes], *extra: bytes, **changes: Any) -> Path:
    """A bundle of any files, with parts that are not listed at its end."""
    parts = [member("bundle.json", listing(files, **changes)), *(member(*file) for file in files.items()), *extra]
    path.write_bytes(packed(tar(parts)))
    return path


def bundle_text(path: Path) -> dict[str, bytes]:
    """The members of a sound bundle, read by the standard library alone."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(path.read_bytes()))) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}
