"""Programs on a terminal, for tests of what a person sees."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from tests.support.paths import ROOT


def on_terminal(*arguments: object, columns: int = 100, **environment: str | None) -> tuple[int, str]:
    """Exit code and everything that `python -m …` writes to a terminal of that width. A variable of None is unset."""
    given = {**os.environ, "TERM": "xterm-256color", "CI": None, "NO_COLOR": None, "COLUMNS": None, **environment}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={name: value for name, value in given.items() if value is not None},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    try:
        while block := os.read(ours, 1 << 16):
            said += block
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    finally:
        os.close(ours)
    return child.wait(), said.decode().replace("\r\n", "\n")
