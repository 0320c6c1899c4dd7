"""The parts that a page carries with it: compressed, as text that no browser takes for markup, and named by digest."""

import base64
import gzip
import hashlib


def pack(data: bytes) -> str:
    """gzip and base64: letters, digits and three signs, whatever the data says."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def script_source(text: str) -> str:
    """The source by which a Content-Security-Policy allows exactly this script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
