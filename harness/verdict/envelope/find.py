"""The envelope that a trace is to be judged by: one that this package ships, or one that was built here."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import EnvelopeError
from harness.trace.format import TraceHeader
from harness.verdict.envelope.envelope import Envelope, read_envelope, write_envelope

SHIPPED = Path(__file__).with_name("shipped")


def find_envelope(header: TraceHeader, cache: Path | None = None) -> Envelope | None:
    """The envelope of the run that the header describes, None when there is none.

    A header that does not state its initial parameters has none: how rounding grows is theirs.

    `cache`: the folder of those built here, that of `harness envelope` by default.

    A file there that this user's harness did not leave as it is may be anybody's: it is told on standard error, once,
    and not used.

    Raises: EnvelopeError for one that is damaged: without it a pair would be judged less strictly, unnoticed.
    """
    return find_shared_envelope(header, header, cache)


def find_shared_envelope(a: TraceHeader, b: TraceHeader, cache: Path | None = None) -> Envelope | None:
    """The envelope of the run that both headers describe. `cache`, and what is raised: as for `find_envelope`."""
    if a.init_sha256 is None or b.init_sha256 is None:
        return None
    for folder in (SHIPPED, envelope_folder() if cache is None else cache):
        read = _read_all(folder, a.netspec_name)
        for envelope in read:
            if envelope.holds_for(a) and envelope.holds_for(b):
                return envelope
    return None


def keep_envelope(envelope: Envelope, cache: Path | None = None) -> Path:
    """Write it into the cache; returns its path.

    Raises: EnvelopeError when the cache cannot be written, or others can write it.
    """
    from harness.system.seal import seal_file

    folder = make_cache() if cache is None else cache
    path = folder / f"{_slug(envelope.netspec_name)}-{envelope.digest[:32]}.json"
    try:
        write_envelope(path, envelope)
        why = seal_file(path)
    except OSError as error:
        raise _not_writable(folder, error) from None
    if why is not None:
        raise _not_private(folder, why)
    return path


def make_cache() -> Path:
    """The folder for envelopes that are built here, made where there is none.

    Raises: EnvelopeError when it cannot be written, or others can write it.
    """
    from harness.system.private import make_private, why_not_private

    folder = envelope_folder()
    try:
        make_private(folder)
    except OSError as error:
        raise _not_writable(folder, error) from None
    if not os.access(folder, os.W_OK):
        raise _not_writable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    if (why := why_not_private(folder)) is not None:
        raise _not_private(folder, why)
    return folder


def _not_writable(folder: Path, error: OSError) -> EnvelopeError:
    return EnvelopeError(
        f"{folder}: the cache cannot be written: {error.strerror or error}. Set HARNESS_CACHE to a folder that can, or "
        "use --out FILE."
    )


def _not_private(folder: Path, why: str) -> EnvelopeError:
    return EnvelopeError(
        f"{folder}: {why}, and an envelope from there would not be believed. Set HARNESS_CACHE to a folder that only "
        "you can write, or use --out FILE."
    )


def envelope_folder() -> Path:
    """The folder of the envelopes that were built here."""
    from harness.system.cache import cache_root  # not needed where a shipped one matches

    return cache_root() / "envelope"


def _read_all(folder: Path, netspec_name: str) -> Iterator[Envelope]:
    for path in sorted(folder.glob(f"{_slug(netspec_name)}-*.json")):
        if folder != SHIPPED and not _is_ours(path):
            continue
        try:
            yield read_envelope(path)
        except OSError as error:
            raise EnvelopeError(f"{path}: cannot be read: {error.strerror or error}. Remove it.") from None


def _is_ours(path: Path) -> bool:
    """True if it may be believed; where not, it is told."""
    from harness.system.notice import note_once
    from harness.system.seal import why_not_ours

    why = why_not_ours(path)
    if why is not None:
        note_once(f"{path}: {why}; this envelope is not used. Build it again with `harness envelope`, or remove it.")
    return why is None


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:64]
