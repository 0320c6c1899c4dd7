"""Looks at the memory that an executor and all that it has started hold, and knows who ended for want of it."""

import signal
import time

from harness.system.memory import kills_so_far, machine_bytes, tells_of_memory
from harness.system.process import Child

_GIB = 1 << 30
_SHARE = 0.9  # of the machine's memory, which one executor may hold where nothing else is said
_LOOK_S = 0.5  # between two looks
_KILLED = f"(signal {signal.SIGKILL:d})"  # what is said of a compiler that was


class MemoryWatch:
    """One process, while it does a task. `most_bytes`: that it may hold; by default nine tenths of the machine's."""

    def __init__(self, most_bytes: int | None) -> None:
        self._most_bytes = most_bytes or int(_SHARE * machine_bytes())
        self._next_look = 0.0
        self._kills_before = kills_so_far()

    def trouble(self, child: Child, *, computing: bool) -> str:
        """What there is to say when it holds too much; empty when it does not, or was looked at just now."""
        if time.monotonic() < self._next_look:
            return ""
        held, self._next_look = child.held_bytes(), time.monotonic() + _LOOK_S
        if held <= self._most_bytes:
            return ""
        when, allowed = "computing" if computing else "compiling", f"{self._most_bytes / _GIB:.3g}"
        return f"held {held / _GIB:.1f} GiB {when}, more than the {allowed} allowed; allow more with --memory"

    def reason(self, code: int, said: str) -> str:
        """Why a process ended that ended badly, if that is want of memory; else empty. `said`: its last words."""
        if kills_so_far() > self._kills_before and (code == -signal.SIGKILL or _KILLED in said):
            return "killed by the system, which had none left"
        told = (" ".join(line.split()) for line in said.splitlines() if tells_of_memory(line))
        return next(told, "")
