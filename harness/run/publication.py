"""The end of a cell: its trace is sealed under its final name, and the file that it started from is looked at again."""

import shutil
from pathlib import Path

from harness.run.cell_plan import CellPlan
from harness.run.contract import INIT_LOAD
from harness.system.files import digest_of, replace_file

_BLOCK = 1 << 20


def publish(partial: Path, trace: Path, sha256: str | None) -> str | None:
    """Give a trace its name, once its bytes are on the disk; or say why it cannot have it, and leave it as it is.

    The trace becomes a copy: a process that still has the program's file open writes into another one.

    Raises: OSError.
    """
    with partial.open("rb") as source, replace_file(trace) as sealed:
        shutil.copyfileobj(source, sealed, _BLOCK)
    if digest_of(trace) != sha256:
        trace.unlink()
        return "its trace was written to after its program had ended"
    partial.unlink()
    return None


def find_changed_start(plan: CellPlan) -> str | None:
    """What happened to the file of initial parameters while the program ran; None when it is as it was given."""
    given, expected = plan.environment.get(INIT_LOAD), plan.inputs.get("init_sha256")
    if given is None or expected is None:
        return None
    try:
        found = digest_of(Path(given))
    except OSError as error:
        return f"the file of initial parameters that it was given cannot be read any more: {error.strerror}"
    if found == expected:
        return None
    return f"the file of initial parameters that it was given was changed: SHA-256 {found}, it was {expected}"
