"""Lines on standard error about what a user should know and nothing fails of."""

import sys
from functools import cache

from harness.system.text import escape_control


@cache
def note_once(line: str) -> None:
    """Say it, once in a process."""
    print(escape_control(f"harness: {line}".replace("\n", " ")), file=sys.stderr, flush=True)
