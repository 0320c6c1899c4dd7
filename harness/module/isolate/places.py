"""Where the operations of a function stand in its file: parsing keeps lines, and the lines have the names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.module.load import StableModule
from harness.module.mlir import from_bytes, function_named, ir, line_of

_LOCATION = re.compile(r" loc\((?:[^()\"]|\"[^\"]*\"|\((?:[^()\"]|\"[^\"]*\")*\))*\)")
_NAME = re.compile(r"\s*(%[\w$.-]+)(?::\d+)?\s*=")


@dataclass(frozen=True)
class OpPlace:
    """An operation of a module. `number`: in the order of its function, calls inlined; `line`: of the file.

    `name`: that of its result in the text, else the one that JAX has left in its location; empty without either.
    """

    number: int
    kind: str
    line: int | None = None
    name: str = ""

    def __str__(self) -> str:
        told = self.kind.removeprefix("stablehlo.")
        told += f" {self.name}" if self.name else ""
        return f"{told} (line {self.line})" if self.line is not None else f"{told} (operation {self.number})"


def places(module: StableModule) -> list[OpPlace]:
    """The operations of a module's function in the order of its inlined text."""
    content = module.source
    lines = content.decode(errors="replace").splitlines() if module.form == "text" else []
    with from_bytes(content) as parsed:
        found = [_place(number, op, lines) for number, op in enumerate(_inlined(parsed, module.function))]
    if lines and any(place.line is None for place in found):
        # Locations of its own hide the lines of a text.
        with from_bytes(_without_locations(lines)) as parsed:
            shown = [_place(number, op, lines) for number, op in enumerate(_inlined(parsed, module.function))]
        found = shown if len(shown) == len(found) else found
    return found


def _without_locations(lines: list[str]) -> bytes:
    """The text without what `loc(…)` says, in the same lines."""
    kept = ["" if line.startswith("#loc") else _LOCATION.sub("", line) for line in lines]
    return "\n".join(kept).encode()


def _inlined(module: Any, function: str) -> Iterator[Any]:
    *body, _ = function_named(module, function).regions[0].blocks[0].operations
    for op in body:
        if op.operation.name == "func.call":
            yield from _inlined(module, ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        else:
            yield op


def _place(number: int, op: Any, lines: list[str]) -> OpPlace:
    line = line_of(op)
    name = _name_in_location(op.location)
    if line is not None and line <= len(lines):
        found = _NAME.match(lines[line - 1])
        name = found[1] if found else name
    return OpPlace(number, str(op.operation.name), line, name)


def _name_in_location(location: Any) -> str:
    return str(location.name_str) if isinstance(location, ir.NameLoc) else ""
