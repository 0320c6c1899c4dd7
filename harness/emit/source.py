"""An indenting writer for emitted Python."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """Lines of a program, indented by nesting `block`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        """Add one line at the current depth; an empty one carries no blanks."""
        self._lines.append("    " * self._depth + text if text else "")

    def text(self, text: str) -> None:
        """Add several lines, taken without their common indentation and outer blank lines."""
        for line in textwrap.dedent(text).strip("\n").splitlines():
            self.line(line)

    def gap(self) -> None:
        """Two blank lines, as between functions."""
        self._lines += ["", ""]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """`head` at the current depth, and what is written inside one deeper."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"
