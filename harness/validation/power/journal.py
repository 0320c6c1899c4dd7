"""The journal of examined cases: a line of JSON per row, under a digest of the case and of the code that ran it."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run.code_version import code_version


def key_of(kind: str, name: str) -> str:
    """The digest under which a row is found again."""
    return hashlib.sha256(json.dumps([kind, name, code_version()]).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """The outcome of a case or a pair: a finding as JSON has it, or in `trouble` why there is none."""

    kind: str
    name: str
    finding: Any
    trouble: str
    seconds: float


class Journal:
    """A file to which several processes append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: Row) -> None:
        """Append a row in one piece."""
        line = {"key": key_of(row.kind, row.name), **vars(row)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
        finally:
            os.close(handle)

    def rows(self) -> dict[tuple[str, str], Row]:
        """Of this code, by kind and name; the last one counts. A line that was cut off is passed over."""
        found = {}
        for line in self._lines():
            row = Row(**{name: line[name] for name in Row.__dataclass_fields__})
            if line["key"] == key_of(row.kind, row.name):
                found[row.kind, row.name] = row
        return found

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.is_file():
            return
        for text in self.path.read_bytes().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and line.keys() >= {"key", *Row.__dataclass_fields__}:
                yield line
