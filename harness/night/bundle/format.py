"""Format of a bundle: names, sizes and the list of members. `traces/README.md` specifies it."""

import hashlib
import re
from typing import Annotated, Literal

import msgspec

from harness.errors import BundleError
from harness.trace.format import one_line
from harness.trace.state import SUFFIX as STATE_SUFFIX

CONTENTS = "bundle.json"  # the first member
BUNDLE_VERSION: Literal[1] = 1
UNKNOWN_HOST = "unknown"  # of cells whose manifests name none
BLOCK = 1 << 20  # bytes of a member that are in memory at once

MOST_JSON = 16 << 20  # bytes of a manifest and of every other document
MOST_TRACE = 1 << 30  # and of a state
MOST_BYTES = 4 << 30  # of a whole bundle, unpacked
MOST_MEMBERS = 20_000
MOST_RATIO = 100  # of unpacked bytes to packed ones, once there are more than `FREE_BYTES`
FREE_BYTES = 16 << 20

_MOST_PARTS = 12
_PART = re.compile(r"[\w+=@,~-][\w+=@,~. -]*")  # of a path: no hidden name, no `..`, nothing that steers a terminal

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class BundleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a bundle, by its path in the exported folder. Units: size in bytes."""

    name: str
    size: Size
    sha256: Sha256


class Contents(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`bundle.json`. `host`: as the manifests have it."""

    bundle_version: Literal[1] = BUNDLE_VERSION
    harness_version: str
    host: str
    members: list[BundleFile]


class _Version(msgspec.Struct):
    bundle_version: int


def read_contents(text: bytes) -> Contents:
    """Decode and check `bundle.json`. Raises: BundleError without the name of the bundle."""
    try:
        text.decode()
        version = msgspec.json.decode(text, type=_Version).bundle_version
        if version != BUNDLE_VERSION:
            raise BundleError(
                f"{CONTENTS}: format version {one_line(version)}; this harness reads version {BUNDLE_VERSION}."
            )
        contents = msgspec.json.decode(text, type=Contents)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{CONTENTS}: not a list of members: {one_line(error)}.") from None
    if len(contents.members) > MOST_MEMBERS:
        raise BundleError(f"{CONTENTS}: lists {len(contents.members):,} members; at most {MOST_MEMBERS:,} are taken.")
    seen = set()
    for member in contents.members:
        check_name(member.name)
        check_size(member.name, member.size)
        if member.name in seen:
            raise BundleError(f"{CONTENTS}: lists {member.name} twice.")
        seen.add(member.name)
    return contents


def check_name(name: str) -> None:
    """Refuse what is no path of a cell's file inside a folder, whatever system reads it. Raises: BundleError."""
    parts = name.split("/")
    if len(parts) > _MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise BundleError(
            f"{one_line(name) or 'a member without a name'}: no name for a file of a bundle; expected folders and a "
            "file of letters, digits and `+=@,~. -`, none of them hidden."
        )
    if not name.endswith((".json", ".jsonl", STATE_SUFFIX)) or name == CONTENTS:
        raise BundleError(
            f"{one_line(name)}: neither a trace (.jsonl), a state ({STATE_SUFFIX}) nor a document (.json)."
        )


def check_size(name: str, size: int) -> None:
    """Refuse a file that is larger than any of its kind. Raises: BundleError."""
    most = MOST_TRACE if name.endswith((".jsonl", STATE_SUFFIX)) else MOST_JSON
    if size > most:
        raise BundleError(f"{one_line(name)}: {size:,} bytes; such a file has at most {most:,}.")


def most_unpacked(packed: int) -> int:
    """Bytes that a bundle of so many may unpack to."""
    return min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * packed))


def host_folder(host: str) -> str:
    """A folder's name for a host: its own where that is one, otherwise with its digest, so that no two hosts meet."""
    slug = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:60]
    if slug and slug == host:
        return slug
    return f"{slug}-{hashlib.sha256(host.encode()).hexdigest()[:8]}".lstrip("-")
