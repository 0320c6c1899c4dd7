"""An indenting writer for emitted Python, whose lines are broken as formatters break them."""

import itertools
import json
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 120


class Source:
    """Lines of a program, indented by nesting `block`."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        """Add one statement at the current depth, on several lines when it is too long for one."""
        self._lines += _broken(text, "    " * self._depth) if text else [""]

    def text(self, text: str) -> None:
        """Add several lines, taken without their common indentation and outer blank lines."""
        indent = "    " * self._depth
        self._lines += [indent + line if line else "" for line in textwrap.dedent(text).strip("\n").splitlines()]

    def gap(self) -> None:
        """Two blank lines, as between functions."""
        self._lines += ["", ""]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """`head` at the current depth, and what is written inside one deeper."""
        self.line(head)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def literal(value: object) -> str:
    """A Python literal with double quotes, as formatters print it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _broken(text: str, indent: str) -> list[str]:
    """The lines of a statement: opened at its last call or collection, then one element a line.

    The arguments of a call stay together where one line holds them. An index and a term in parentheses are not opened,
    though they be too long: the comma behind an element would make tuples of them.
    """
    if len(indent + text) <= WIDTH:
        return [indent + text]
    start, commas, end = _last_brackets(text)
    before, mark = text[:start], text[start : start + 1]
    is_call = mark == "(" and re.search(r"[\w)\]]$", before) is not None
    is_collection = re.search(r"(^|[\s(\[{=])$", before) is not None and (mark != "(" or len(commas) > 0)
    if end <= start + 1 or not (is_call or is_collection):
        return [indent + text]
    inner, head, tail = indent + "    ", indent + text[: start + 1], indent + text[end:]
    together = inner + text[start + 1 : end]
    if is_call and len(together) <= WIDTH:
        return [head, together, tail]
    bounds = [start, *commas, end]
    elements = [text[a + 1 : b].strip() for a, b in itertools.pairwise(bounds)]
    return [head, *(line for element in elements for line in _broken(f"{element},", inner)), tail]


def _last_brackets(text: str) -> tuple[int, list[int], int]:
    """Positions of the last outermost pair of brackets: its opening, the commas between its items, its end.

    (0, [], 0) when there is none. Strings and comments hold no brackets.
    """
    depth, start, end = 0, 0, 0
    commas: list[int] = []
    for token in re.finditer(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\#.*|[()\[\]{},]""", text):
        at, mark = token.start(), token[0]
        if mark in ("(", "[", "{"):
            if depth == 0:
                start, commas = at, []
            depth += 1
        elif mark in (")", "]", "}"):
            depth -= 1
            end = at
        elif mark == "," and depth == 1:
            commas.append(at)
    return start, commas, end
