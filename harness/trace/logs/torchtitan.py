"""What TorchTitan prints, and the files of losses that its comparison exports."""

import re

from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log
from harness.trace.logs.table import LogRow, LogTable, log_of, to_float

_STEP = re.compile(r"(?<!validate )\bstep:\s*(\d+)\s+((?:[\w/]+:\s*\S+\s*)+)")
_VALUE = re.compile(r"([\w/]+):\s*(\S+)")
_COMMENT = "#"


def is_torchtitan_stdout(source: LogFile) -> bool:
    """Some line has a step and then its loss."""
    return any("loss:" in line and _STEP.search(line) for line in source.lines)


def read_torchtitan_stdout(source: LogFile, keys: LogKeys, label: str) -> Log:
    """A row for each line of a training step."""
    rows = []
    for number, line in enumerate(source.lines, 1):
        if "loss:" in line and (found := _STEP.search(line)) is not None:
            rows.append(LogRow(number, {"step": found[1], **dict(_VALUE.findall(found[2]))}))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    return log_of(source, LogTable(columns, rows), keys, label)


def is_loss_file(source: LogFile) -> bool:
    """Two numbers in the first line: a step and its loss."""
    cells = source.first_line.split()
    return len(cells) == 2 and cells[0].isdecimal() and to_float(cells[1]) is not None


def read_loss_file(source: LogFile, keys: LogKeys, label: str) -> Log:
    """A row for each line. Raises: TraceError for one that has not two cells."""
    rows = []
    for number, line in enumerate(source.lines, 1):
        cells = line.split()
        if cells and not line.startswith(_COMMENT):
            if len(cells) != 2:
                raise source.error(f"{len(cells)} words; expected a step and a loss.", number)
            rows.append(LogRow(number, {"step": cells[0], "loss": cells[1]}))
    return log_of(source, LogTable(["step", "loss"], rows), keys, label)
