"""Fewer steps where a backend's device is this machine's processor in disguise, and no number was asked for."""

from dataclasses import replace

import msgspec

from harness.run.backends import BACKENDS, presence
from harness.run.pipelines import MAIN
from harness.run.verification import Verification


def with_software_steps(verification: Verification) -> tuple[Verification, str]:
    """The verification with no more steps than such a device takes in a minute or two; and a line that says so.

    The line is empty where nothing changes.
    """
    names = [name for name in verification.backend_names if BACKENDS[name].software_steps is not None]
    found = [(name, presence(name, MAIN[1])) for name in names]
    slow = [(BACKENDS[name].software_steps or 0, name, here.device) for name, here in found if here.software]
    if not slow:
        return verification, ""
    steps, name, device = min(slow)
    if verification.run.steps is not None and verification.run.steps <= steps:
        return verification, ""
    run = msgspec.structs.replace(verification.run, steps=steps)
    line = f"{steps} steps, since {name} is a processor here ({device}); --steps takes another number."
    return replace(verification, run=run), line
