"""Whether a process still runs, for tests of whatever has to end one."""

import time
from pathlib import Path


def is_alive(pid: int) -> bool:
    """One that is dead and not yet reaped is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def dies(pid: int, within_s: float = 10) -> bool:
    """Whether it ends in that time."""
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)
