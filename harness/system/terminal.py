"""The reader of a stream: a person or a program."""

import os
from typing import TextIO


def is_interactive(stream: TextIO) -> bool:
    """True for a terminal that takes colours and moves its cursor, and not the log of a CI job."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and not in_ci and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
