"""What a night examines beside cells: a command, and what became of it."""

from pathlib import Path
from typing import Literal

import msgspec

from harness.night.documents import read_document
from harness.system.files import replace_file

CheckStatus = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT RUN"]


class NightCheck(msgspec.Struct, kw_only=True, frozen=True):
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


def read_check(path: Path) -> NightCheck:
    """Raises: HarnessError for a file that holds none, FileNotFoundError."""
    return read_document(path, NightCheck, "a check")


def write_check(path: Path, check: NightCheck) -> None:
    """Write the file, whole or not at all. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(check), indent=1) + b"\n")
