"""Processes that a program has left behind: those of its session, and those that left it and kept its environment."""

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.system.memory import resident_bytes

_PREFIX = "HARNESS_CHILD_"
_ROUNDS = 50  # a process that forks faster than it is found is given up in the end
_PROCESSES = Path("/proc")


def mark(environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The environment with a variable by which whatever the program starts is found again, and that variable's name."""
    name = f"{_PREFIX}{secrets.token_hex(8)}"
    return {**environment, name: "1"}, name


def kill_survivors(session: int, variable: str) -> None:
    """Kill every process of a session, and every other that has the variable, until there is none.

    A process that has a session of its own and an environment of its own belongs to nobody any more and goes on. Where
    the system does not list processes, nothing is found.
    """
    for _ in range(_ROUNDS):
        found = list(_survivors(session, f"{variable}=1".encode()))
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def held_bytes(session: int, variable: str) -> int:
    """What the processes of a session, and all others that have the variable, hold in memory."""
    return sum(map(resident_bytes, _survivors(session, f"{variable}=1".encode())))


def _survivors(session: int, entry: bytes) -> Iterator[int]:
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state in "ZX":  # dead, and only not yet reaped
                continue
            if int(its_session) == session or entry in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except (OSError, ValueError):
            continue  # it has ended meanwhile, or is somebody else's
