"""Digest of the code: results of other code are computed again."""

import hashlib
import json
from functools import cache
from pathlib import Path

import harness
from harness.run.provenance import package_version

_PACKAGES = ("jax", "jaxlib", "iree-base-compiler", "iree-base-runtime", "numpy")


@cache
def code_version() -> str:
    """SHA-256 of this package's sources, of the data that it judges by, and of the versions of what computes."""
    digest = hashlib.sha256()
    root = Path(harness.__file__).parent
    for path in sorted([*root.rglob("*.py"), *root.glob("verdict/**/*.json")]):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    digest.update(json.dumps([package_version(name) for name in _PACKAGES]).encode())
    return digest.hexdigest()
