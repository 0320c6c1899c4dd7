"""Asks interpreters what they have for a run time, each in a process of its own: a broken driver can crash or hang."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BackendError
from harness.system.process import Child, signal_name

PROBE_TIMEOUT_S = 60


@dataclass(frozen=True)
class Presence:
    """Availability of a backend to a pipeline here: the device's name, or the reason why it is absent.

    `software`: the device is this machine's processor, behind a driver for GPUs or in an interpreter. `chip`: what the
    driver calls the device's kind, `8.9` or `gfx1100`; empty where it says nothing. `driver`, `python`, `versions` (by
    package): of the backend's own interpreter, as far as it was asked.
    """

    device: str | None
    reason: str = ""
    driver: str | None = None
    python: str | None = None
    versions: Mapping[str, str] | None = None
    software: bool = False
    chip: str = ""

    def __bool__(self) -> bool:
        return self.device is not None


def ask_runtime(python: str, runtime: str, hal: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Device, versions and so on that a Python has for a run time, `jax` or `iree`; `hal`: IREE's driver.

    Raises: OSError; BackendError with the last line of what it says when it has no device.
    """
    text = Path(__file__).with_name("probe.py").read_text()
    child = Child([python, "-P", "-c", text, runtime, hal], {**os.environ, **environment}, keep=1 << 16)
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    while not child.wait(1.0):
        if time.monotonic() > deadline:
            child.stop(patience=0)
            raise BackendError(f"the driver did not answer within {PROBE_TIMEOUT_S} s")
    lines = child.out.tail.splitlines()
    if child.returncode < 0:
        raise BackendError(f"the probe was killed by {signal_name(-child.returncode)}")
    if child.returncode > 0:
        raise BackendError((child.err.tail.strip() or f"exit code {child.returncode}").splitlines()[-1][:200])
    try:
        facts: dict[str, Any] = json.loads(lines[-1])
    except (ValueError, IndexError):
        raise BackendError("the probe printed something else than its answer") from None
    return facts
