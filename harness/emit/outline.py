"""Repeated blocks of a function become functions of their own that are called, so that each is read once.

It works on finished lines, so that rules know nothing of it: two runs of lines from two blocks that are alike but for
the blocks' names are one function. The compiler inlines it again, and the result is the same code.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.emit.hlo_function import Line, Value

WORTH_LINES = 10  # a shorter run stays where it is


@dataclass(frozen=True)
class _Run:
    """Consecutive lines of one part, and what passes in and out of them."""

    lines: tuple[Line, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def part(self) -> str:
        return self.lines[-1].part

    @property
    def name(self) -> str:
        """Name of a function made of it: the block or the layer, and the task."""
        scope, task = re.sub(r"\.b\d+$", ".block", self.part).replace(".", "_"), self.lines[-1].task
        return scope if task == "forward" else f"{scope}_{task}"


def outline(lines: Sequence[Line], results: Sequence[Value]) -> tuple[list[str], list[str]]:
    """The functions that are called, then the body that calls them; both as text."""
    constants = {line.results[0].name: line for line in lines if line.is_constant}
    gradients = {value.name for line in lines if line.task == "backward" for value in line.results}
    runs = _with_interfaces(_runs(line for line in lines if not line.is_constant), constants, results)
    texts = [_Text(run, constants, gradients) for run in runs]
    parts: dict[str, list[str]] = {}
    for run, text in zip(runs, texts, strict=True):
        parts.setdefault(text.body, []).append(run.part)
    names: dict[str, str] = {}
    functions: list[str] = []
    body = _Body(constants)
    for run, text in zip(runs, texts, strict=True):
        if len(parts[text.body]) < 2 or not text.worth:
            body.add(run.lines)
            continue
        if text.body not in names:
            names[text.body] = _unique(run.name, names.values())
            functions += [f"// For {', '.join(parts[text.body])}.", *text.function(names[text.body])]
        body.call(names[text.body], run)
    return functions, body.lines


def _runs(lines: Iterable[Line]) -> list[tuple[Line, ...]]:
    """Cut where the part or the task changes; a comment belongs to what comes below it."""
    runs: list[list[Line]] = [[]]
    waiting: list[Line] = []
    for line in lines:
        if not line.results:
            waiting.append(line)
            continue
        if runs[-1] and (runs[-1][-1].part, runs[-1][-1].task) != (line.part, line.task):
            runs.append([])
        runs[-1] += [*waiting, line]
        waiting = []
    return [tuple(run) for run in runs]


def _with_interfaces(
    runs: Sequence[tuple[Line, ...]], constants: dict[str, Line], results: Sequence[Value]
) -> list[_Run]:
    """Find what each run reads from outside, and which of its results are read there."""
    readers: dict[str, set[int]] = {}
    for i, run in enumerate(runs):
        for value in itertools.chain.from_iterable(line.operands for line in run):
            readers.setdefault(value.name, set()).add(i)
    for value in results:
        readers.setdefault(value.name, set()).add(len(runs))
    found = []
    for i, run in enumerate(runs):
        made = {value.name for line in run for value in line.results}
        read = {value.name: value for line in run for value in line.operands}
        inputs = tuple(value for name, value in read.items() if name not in made and name not in constants)
        outputs = tuple(value for line in run for value in line.results if readers.get(value.name, set()) - {i})
        found.append(_Run(run, inputs, outputs))
    return found


class _Text:
    """A run as the text of a function, in names without those of its part. A short run is not worth one.

    A value of another part is called x, or dy where it is one of `gradients`; one of no part keeps its name.
    """

    def __init__(self, run: _Run, constants: dict[str, Line], gradients: set[str]) -> None:
        self.body = ""
        self.worth = bool(run.part) and sum(bool(line.results) for line in run.lines) >= WORTH_LINES
        if not self.worth:
            return
        names = {name: name for name in constants}  # which keep theirs
        for value in run.inputs:
            other = "dy" if value.name in gradients else "x"
            wanted = value.local if value.part in (run.part, "") else other
            names[value.name] = _unique(wanted, names.values())
        for value in itertools.chain.from_iterable(line.results for line in run.lines):
            names[value.name] = _unique(value.local, names.values())
        self._arguments = ", ".join(f"%{names[value.name]}: {value.type}" for value in run.inputs)
        self._types = ", ".join(value.type for value in run.outputs)
        inner = _Body(constants)
        inner.add(run.lines)
        lines = [
            line.replace(f"{run.part}.", "")
            if line.startswith("//")
            else re.sub(r"%(\w+)", lambda found: f"%{names[found[1]]}", line)
            for line in inner.lines
        ]
        lines.append(f"return {', '.join(f'%{names[value.name]}' for value in run.outputs)} : {self._types}")
        self._lines = lines
        self.body = "\n".join([run.lines[-1].task, f"({self._arguments}) -> ({self._types})", *lines])

    def function(self, name: str) -> list[str]:
        head = f"func.func private @{name}({self._arguments}) -> ({self._types}) {{"
        return [head, *(f"  {line}" for line in self._lines), "}"]


class _Body:
    """The lines of one function; a constant is defined before its first use."""

    def __init__(self, constants: dict[str, Line]) -> None:
        self.lines: list[str] = []
        self._constants = dict(constants)

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            for value in line.operands:
                if value.name in self._constants:
                    self.lines.append(self._constants.pop(value.name).text)
            self.lines.append(line.text)

    def call(self, function: str, run: _Run) -> None:
        outputs, inputs = (", ".join(map(str, values)) for values in (run.outputs, run.inputs))
        types = [", ".join(value.type for value in values) for values in (run.inputs, run.outputs)]
        self.lines.append(f"// {run.part}")
        self.lines.append(f"{outputs} = call @{function}({inputs}) : ({types[0]}) -> ({types[1]})")


def _unique(wanted: str, taken: Iterable[str]) -> str:
    """The name, numbered when it is taken."""
    others = set(taken)
    numbered = (wanted if count == 1 else f"{wanted}_{count}" for count in itertools.count(1))
    return next(name for name in numbered if name not in others)
