"""Starting a process that is to be signalled, and whether one still runs."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

USUAL: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}


@contextlib.contextmanager
def usual_signals(ignoring: Collection[int] = ()) -> Iterator[None]:
    """SIGINT and SIGHUP take their usual effect, also where the tests run in the background or under nohup.

    There both are ignored, which every program inherits, and a Python that starts so has no KeyboardInterrupt.
    """
    handlers = USUAL | dict.fromkeys(ignoring, signal.SIG_IGN)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start(command: Sequence[str], ignoring: Collection[int] = (), **options: Any) -> "subprocess.Popen[Any]":
    """A program that a signal reaches, whoever runs the tests, unless it is one of those to be ignored."""
    with usual_signals(ignoring):
        return subprocess.Popen(command, **options)


def is_alive(pid: int) -> bool:
    """One that is dead and not yet reaped is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def dies(pid: int, within_s: float = 10) -> bool:
    """True if it ends in that time."""
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)
