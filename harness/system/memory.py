"""Memory: how much there is, and whether a process ended because there was no more."""

import os
import re
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_KILLS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
# Of compilers, run times, drivers and Python, when they ask for memory that there is not.
_WORDS = re.compile(
    r"out.?of.?((host|device).?)?memory|bad_alloc|MemoryError|cannot allocate memory|failed to allocate \d",
    re.IGNORECASE,
)


def machine_bytes() -> int:
    """Memory of this machine, or the share of it that this container may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [int(text) for text in map(_text, _LIMITS) if text.strip().isdigit()]
    return min([total, *limits])


def resident_bytes(pid: int) -> int:
    """What a process holds in memory; nothing of one that has ended."""
    held = _text(Path("/proc", str(pid), "statm")).split()
    return int(held[1]) * os.sysconf("SC_PAGE_SIZE") if len(held) > 1 else 0


def kills_so_far() -> int:
    """How many processes the system has killed for want of memory, as far as it tells."""
    counts = [re.search(r"^oom_kill (\d+)$", _text(path), re.MULTILINE) for path in _KILLS]
    return sum(int(count[1]) for count in counts if count is not None)


def tells_of_memory(said: str) -> bool:
    """Whether a program's last words are that it got no more memory."""
    return _WORDS.search(said) is not None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
