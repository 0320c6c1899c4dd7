"""Follows a trace while it is written."""

import json
from pathlib import Path


class TraceTail:
    """The newest whole step of a growing trace: `step` (0: none yet) and `loss`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.step = 0
        self.loss = float("nan")

    def advance(self) -> bool:
        """Read what is new; True when there was a new step. Lines that are no steps are somebody else's to judge."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return False
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        before = self.step
        for line in reversed(lines):
            try:
                record = json.loads(line)
                if record["kind"] == "step":
                    self.step, self.loss = int(record["step"]), float(record["loss"])
                    break
            except (ValueError, KeyError, TypeError):
                continue
        return self.step != before
