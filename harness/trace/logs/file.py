"""The content of a log: its bytes, its text, its lines and its JSON, each made when it is asked for."""

import json
import re
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import TraceError
from harness.trace.format import one_line
from harness.trace.reader import open_trace

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # the colours of a terminal
_LARGEST = 1 << 30  # bytes, compressed or not


class LogFile:
    """One file. `value`: what it holds as one JSON value; None where it holds none."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content

    def error(self, what: str, line: int | None = None) -> TraceError:
        """An error about a line of this file, or about all of it."""
        return TraceError(f"{one_line(self.path)}:{line or 1}: {what}")

    @cached_property
    def text(self) -> str:
        """The text, without a byte order mark and with lines that end in LF. Empty for what is no text."""
        encoding = _MARKS.get(self.content[:2], "utf-8-sig")
        try:
            text = self.content.decode(encoding)
        except UnicodeDecodeError:
            return ""
        return text.replace("\r\n", "\n").replace("\r", "\n")

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without colours and without their ends."""
        return _ESCAPES.sub("", self.text).split("\n")

    @cached_property
    def first_line(self) -> str:
        """The first line that is not empty."""
        return next((line for line in self.lines if line.strip()), "")

    @cached_property
    def value(self) -> Any | None:
        """The whole file as one JSON value, where it is one."""
        return None if self.json_error is not None else self._parsed[0]

    @cached_property
    def json_error(self) -> str | None:
        """Why it is not one JSON value."""
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[Any, str | None]:
        if not self.text.lstrip().startswith(("{", "[")):
            return None, "it does not begin as JSON"
        return parse_json(self.text)


def parse_json(text: str) -> tuple[Any, str | None]:
    """A JSON value, or why it is none."""
    try:
        return json.loads(text), None
    except RecursionError:
        return None, "nested too deeply"
    except ValueError as error:
        return None, one_line(error)


def read_log_file(path: str, files: Sequence[Path]) -> LogFile:
    """The content of the files of a path, mostly of one, `.gz` or not. Raises: TraceError."""
    parts, room = [], _LARGEST
    try:
        for file in files:
            with open_trace(file) as stream:
                parts.append(stream.read(room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise TraceError(f"{one_line(path)}: larger than a GiB, which no log of losses is.")
    except (OSError, EOFError, zlib.error) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TraceError(f"{one_line(path)}:1: cannot be read: {one_line(what)}.") from None
    return LogFile(path, b"".join(parts))
