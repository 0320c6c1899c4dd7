"""Follows a trace while it is written, and cuts what is left of one to what can be read."""

import re
import stat
from pathlib import Path

import msgspec

from harness.errors import TraceError
from harness.trace.column_reader import LONGEST_LINE
from harness.trace.format import StepLine, Trace, one_line
from harness.trace.reader import read_trace

_BLOCK = 1 << 20


class TraceTail:
    """The newest whole step of a growing trace: `step` (0: none yet) and `loss`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._decode = msgspec.json.Decoder(StepLine).decode
        self.step = 0
        self.loss = float("nan")

    def advance(self) -> bool:
        """Read the new lines; True when there was a new step. Other lines are judged when the run has ended."""
        before = self.step
        if not is_regular(self._path):
            return False
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # it was begun anew
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                while new := file.read(_BLOCK):
                    self._offset += len(new)
                    self._take(new)
                    if len(new) < _BLOCK:
                        break
        except OSError:
            return False
        return self.step != before

    def _take(self, new: bytes) -> None:
        *lines, rest = (self._rest + new).split(b"\n")
        self._rest = rest[:LONGEST_LINE]  # longer than that is no line of a trace
        for line in reversed(lines):
            try:
                record = self._decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            self.step, self.loss = record.step, float(record.loss)
            return


def is_regular(path: Path) -> bool:
    """True for a regular file. Opening a pipe may never end, and what a link leads to is somebody else's."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def keep_readable(path: Path, most_steps: int | None = None) -> tuple[Trace | None, str | None]:
    """Cut a trace after its last readable line; what is left of it, and what was wrong with the first line cut off.

    An unfinished last line, and steps beyond `most_steps`, go without a word. A file of which nothing is left is
    removed.

    Raises: OSError.
    """
    problem = None
    _cut(path, None if most_steps is None else 1 + most_steps)
    while path.stat().st_size > 0:
        try:
            return read_trace(path, with_digest=True, allow_parts=True), problem
        except TraceError as error:
            problem = str(error)
            line = re.match(r":(\d+): ", str(error).removeprefix(one_line(path)))
            size = path.stat().st_size
            _cut(path, int(line[1]) - 1 if line else 0)
            if path.stat().st_size == size:  # the line is not there: nothing to hold on to
                break
    path.unlink()
    return None, problem


def _cut(path: Path, most_lines: int | None) -> None:
    """Leave whole lines only, and no more than so many."""
    with path.open("r+b") as file:
        end = lines = start = 0
        while (most_lines is None or lines < most_lines) and (block := file.read(_BLOCK)):
            found = block.count(b"\n")
            if most_lines is not None and lines + found > most_lines:
                found = most_lines - lines
                end = start + sum(map(len, block.split(b"\n", found)[:found])) + found
            elif found:
                end = start + block.rindex(b"\n") + 1
            lines += found
            start += len(block)
        file.truncate(end)
