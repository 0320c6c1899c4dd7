"""What a night examines beside cells: a command, and what became of it."""

from pathlib import Path
from typing import Literal

import msgspec

from harness.atomicfile import replace_file
from harness.errors import HarnessError
from harness.trace import one_line

CheckStatus = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT RUN"]


class Check(msgspec.Struct, kw_only=True, frozen=True):
    """A command of a night. `line`: its result in a sentence; `output`: the end of what it printed; `host`: where.

    `fingerprint`: of the command and of the code that it ran. Units: seconds of wall time.
    """

    name: str
    command: str
    status: CheckStatus
    line: str
    output: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    host: str = ""
    fingerprint: str = ""


def read_check(path: Path) -> Check:
    """Raises: HarnessError for a file that holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Check)
    except msgspec.MsgspecError as error:
        raise HarnessError(f"{path.name}: not a check: {one_line(error)}. Remove it, run the night again.") from None


def write_check(path: Path, check: Check) -> None:
    """Write the file, whole or not at all. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(check), indent=1) + b"\n")
