"""Seals tell the files that this user's harness wrote into its cache from those that came there by other ways.

A seal is an HMAC-SHA256 under a secret of this user, 32 random bytes in the cache's root that only the user can read.
It stops what an owner and a mode do not: a cache that was unpacked from an archive, restored by a CI service or copied
from a colleague belongs to the user and is still not the user's work. It does not stop a program that runs as this
user, which can read the secret: such a program could as well change the harness.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from harness.system.cache import cache_root
from harness.system.files import replace_file
from harness.system.private import make_private, read_own, why_not_private

SECRET = "seal.key"
_BYTES = 32
_LARGEST = 1 << 26  # bytes of a file that is read as a whole
_MODE = 0o600


def seal_file(path: Path) -> str | None:
    """Vouch for a file that was just written, in a file `NAME.seal` beside it.

    Answers the reason why that cannot be done, None when it is. Raises: OSError.
    """
    if why := why_not_private(path.parent):
        return why
    seal = make_seal(b"file", path.name.encode(), path.read_bytes())
    if seal is None:
        return why_not_private(cache_root())
    with replace_file(_seal_of(path)) as file:
        file.write(seal.encode())
    return None


def why_not_ours(path: Path) -> str | None:
    """Reason why a file may be somebody else's work, None where `seal_file` vouched for it as it is."""
    if why := why_not_private(path.parent):
        return why
    content, seal = read_own(path, _LARGEST), read_own(_seal_of(path), _LARGEST)
    if content is None:
        return "it is not a file of this user alone"
    if seal is None or not is_sealed(seal.decode(errors="replace"), b"file", path.name.encode(), content):
        return "it is not as this user's harness left it, or came there another way"
    return None


def make_seal(*parts: bytes) -> str | None:
    """The seal of those parts in that order; None where the cache is not private, and nothing in it can be vouched for.

    The secret is made where there is none.

    Raises: OSError when it cannot be written.
    """
    make_private(cache_root())
    if why_not_private(cache_root()) is not None:
        return None
    _make_secret(cache_root() / SECRET)
    return _seal(parts)


def is_sealed(seal: str, *parts: bytes) -> bool:
    """True if this user's harness made that seal for those parts, in a cache that nobody else can write."""
    if why_not_private(cache_root()) is not None:
        return False
    right = _seal(parts)
    return right is not None and hmac.compare_digest(right.encode(), seal.encode(errors="replace"))


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _seal(parts: tuple[bytes, ...]) -> str | None:
    key = read_own(cache_root() / SECRET, _BYTES, _MODE)
    if key is None or len(key) != _BYTES:
        return None
    # The digest of each part has one length, so that no two lists of parts are one text.
    return hmac.new(key, b"".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256).hexdigest()


def _make_secret(path: Path) -> None:
    """Write a new secret under its name at once and whole: of two processes that do so, the first one's stays."""
    key = read_own(path, _BYTES, _MODE)
    if key is not None and len(key) == _BYTES:
        return
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        if key is None and not os.path.lexists(path):
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        else:
            part.replace(path)  # what lies there is no secret of ours
    finally:
        part.unlink(missing_ok=True)
