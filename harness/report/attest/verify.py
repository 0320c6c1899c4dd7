"""Holds files to statements about them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import AttestationError
from harness.report.attest.statement import SUFFIX, Subject, parse_statement
from harness.trace.format import one_line
from harness.verdict.judge import INCONCLUSIVE

if TYPE_CHECKING:
    from securesystemslib.signer import Key

_LARGEST = 16 << 20  # bytes of a statement
_PART = re.compile(r"(?!\.\.?$)[^\\/\0]+")

Outcome = Literal["match", "mismatch", "missing"]


@dataclass(frozen=True)
class Held:
    """A file of a statement, and its digest now. `found`: that digest, None when it is missing."""

    subject: Subject
    found: str | None

    @property
    def outcome(self) -> Outcome:
        """Result of the check."""
        return "missing" if self.found is None else "match" if self.found == self.subject.sha256 else "mismatch"


@dataclass(frozen=True)
class Verified:
    """A statement. `signature`: its state in words; `trusted`: False when it fails a key that was given."""

    path: Path
    signature: str
    trusted: bool
    subjects: tuple[Held, ...]

    @property
    def exit_code(self) -> int:
        """0 all match, 1 a file or the signature does not, 3 a file is missing."""
        outcomes = {held.outcome for held in self.subjects}
        return 1 if "mismatch" in outcomes or not self.trusted else INCONCLUSIVE if "missing" in outcomes else 0


def every_statement(paths: Sequence[Path]) -> list[Path]:
    """The paths, with the statements below it in the place of a folder.

    Raises: AttestationError for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        below = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not below:
            raise AttestationError(f"{path}: no statement in it; expected files named *{SUFFIX}.")
        found += below
    return found


def verify_statement(path: Path, root: Path | None = None, key: "Key | None" = None) -> Verified:
    """Find each file of a statement and compare digests.

    Files are looked for below `root`, by default below each folder that the statement is in, from the nearest on.

    Raises: AttestationError when it is no statement; OSError.
    """
    from harness.report.attest.signature import is_signed_by, open_envelope  # here: what knows them comes with an extra

    where = one_line(path)
    if not path.is_file():
        what = "not a regular file" if path.exists() else "no such file"
        raise AttestationError(f"{where}: {what}; expected a statement of `harness attest make`.")
    if path.stat().st_size > _LARGEST:
        raise AttestationError(f"{where}: larger than {_LARGEST:,} bytes, which no statement is.")
    text = path.read_bytes()
    try:
        envelope = open_envelope(text)
        subjects = parse_statement(text if envelope is None else envelope.payload)
        for subject in subjects:
            _check_name(subject.name)
    except AttestationError as error:
        raise AttestationError(f"{where}: {error}") from None
    roots = [root] if root is not None else path.resolve().parents
    trusted = key is None or (envelope is not None and is_signed_by(envelope, key))
    if envelope is None:
        signature = "not signed" if key is None else "not signed, and the key asks for it"
    elif key is None:
        signature = "signature not checked: no --key"
    else:
        signature = "signed by the key" if trusted else "not signed by the key"
    return Verified(path, signature, trusted, tuple(Held(s, _find(s.name, roots)) for s in subjects))


def _check_name(name: str) -> None:
    if not name.isprintable() or not all(_PART.fullmatch(part) for part in name.split("/")):
        raise AttestationError(f"subject {one_line(name)!r}: expected a path below the statement's folders.")


def _find(name: str, roots: Sequence[Path]) -> str | None:
    """The digest of the first such file."""
    for root in roots:
        if (root / name).is_file():
            with (root / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return None
