"""Signed statements: a DSSE envelope around the bytes of a statement, with Ed25519.

The envelope and its signatures are those of `securesystemslib`. It matches keys by their id, which in DSSE is a hint
that other tools leave empty, so each signature is held to the key here.
"""

import json
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

from harness.errors import AttestationError
from harness.trace.format import one_line

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class OneSignature(msgspec.Struct, frozen=True):
    """A signature; in the file it is in base64."""

    sig: bytes


class Signed(msgspec.Struct, frozen=True, rename="camel"):
    """An envelope: a statement's bytes and signatures of them."""

    payload: bytes
    payload_type: str
    signatures: list[OneSignature]


def read_private_key(path: Path) -> CryptoSigner:
    """The key to sign with. Raises: AttestationError, OSError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise AttestationError(f"{one_line(path)}: {_no_key('private')}: {one_line(error).rstrip('.')}.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise AttestationError(f"{one_line(path)}: {_no_key('private')}.")
    return CryptoSigner(key)


def read_public_key(path: Path) -> Key:
    """The key to hold signatures to. Raises: AttestationError, OSError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AttestationError(f"{one_line(path)}: {_no_key('public')}: {one_line(error).rstrip('.')}.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise AttestationError(f"{one_line(path)}: {_no_key('public')}.")
    return SSlibKey.from_crypto(key)


def sign(statement: bytes, signer: CryptoSigner) -> bytes:
    """The envelope's file."""
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), indent=1).encode() + b"\n"


def open_envelope(text: bytes) -> Signed | None:
    """The envelope that a file holds, None when it holds something else.

    Raises: AttestationError without the name of the file.
    """
    try:
        if "payload" not in msgspec.json.decode(text, type=dict[str, msgspec.Raw]):
            return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    try:
        envelope = msgspec.json.decode(text, type=Signed)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise AttestationError(f"not a signed statement: {one_line(error)}.") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise AttestationError(f"holds {one_line(envelope.payload_type)!r}; expected {PAYLOAD_TYPE}.")
    return envelope


def is_signed_by(envelope: Signed, key: Key) -> bool:
    """True if one of its signatures is of that key."""
    signed = Envelope(envelope.payload, envelope.payload_type, {}).pae()
    return any(_holds(key, signature.sig, signed) for signature in envelope.signatures)


def _holds(key: Key, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify_signature(Signature(key.keyid, signature.hex()), signed)
    except UnverifiedSignatureError:
        return False
    return True


def _no_key(kind: str) -> str:
    return f"no {kind} Ed25519 key as PEM without a password"
