"""Tables of values under names, from CSV, JSON and JSON Lines, and the log that such a table is."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness.trace.logs.columns import choose, words
from harness.trace.logs.file import LogFile, parse_json
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log
from harness.trace.spacing import later_rows

_DELIMITERS = (",", ";", "\t")
_DEEPEST = 8  # levels of objects in a row


@dataclass(frozen=True)
class LogRow:
    """The values of one row by their columns. `line`: where it is in the file."""

    line: int | None
    values: Mapping[str, Any]


@dataclass(frozen=True)
class LogTable:
    """Rows under columns, in the order of the file."""

    columns: Sequence[str]
    rows: Sequence[LogRow]


@lru_cache(maxsize=1)  # every format of CSV asks for it
def csv_table(source: LogFile) -> LogTable | None:
    """The table of a CSV file; None for a file that is none. Raises: TraceError for rows that are not of its header."""
    delimiter = max(_DELIMITERS, key=source.first_line.count)
    if delimiter not in source.first_line or source.first_line.lstrip().startswith(("{", "[")):
        return None
    try:
        rows = [(reader.line_num, row) for reader in [_reader(source, delimiter)] for row in reader if any(row)]
    except csv.Error as error:
        raise source.error(f"not CSV: {error}.") from None
    columns = [name.strip() for name in rows[0][1]]
    if any(_is_number(name) for name in columns):
        return None
    if repeated := [name for name in columns if name and columns.count(name) > 1]:
        raise source.error(f"column '{repeated[0]}' is there twice.", rows[0][0])
    table = []
    for line, row in rows[1:]:
        if row == rows[0][1]:
            continue  # of a run that was resumed, and wrote its header again
        if len(row) != len(columns):
            raise source.error(f"{len(row)} cells under {len(columns)} columns; the file may be cut off.", line)
        table.append(LogRow(line, dict(zip(columns, row, strict=True))))
    return LogTable([name for name in columns if name], table)


def _reader(source: LogFile, delimiter: str) -> Any:
    return csv.reader(source.text.split("\n"), delimiter=delimiter, strict=True)


@lru_cache(maxsize=1)
def json_table(source: LogFile) -> LogTable | None:
    """The table of a list of objects, of an object of lists, or of JSON Lines; None for other files.

    Raises: TraceError for a line that is no object among others that are.
    """
    value = source.value
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _of_objects([(None, row) for row in value])
    if isinstance(value, dict):
        lists = {name: column for name, column in value.items() if isinstance(column, list)}
        length = max(map(len, lists.values()), default=0)
        whole = {name: column for name, column in lists.items() if len(column) == length}
        rows = [LogRow(None, {name: column[i] for name, column in whole.items()}) for i in range(length)]
        return LogTable(list(whole), rows) if rows else _of_objects([(None, value)])
    if not source.first_line.lstrip().startswith("{"):
        return None
    objects: list[tuple[int | None, Mapping[str, Any]]] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip():
            row, wrong = parse_json(line)
            if not isinstance(row, dict):
                if not objects:
                    return None
                raise source.error(f"not JSON: {wrong}." if wrong else "not an object; expected one a line.", number)
            objects.append((number, row))
    return _of_objects(objects)


def _of_objects(objects: Sequence[tuple[int | None, Mapping[str, Any]]]) -> LogTable:
    rows = [LogRow(line, dict(_flat(row))) for line, row in objects]
    return LogTable(list(dict.fromkeys(name for row in rows for name in row.values)), rows)


def _flat(row: Mapping[str, Any], before: str = "", levels: int = _DEEPEST) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and levels:
            yield from _flat(value, f"{before}{name}/", levels - 1)
        else:
            yield f"{before}{name}", value


def log_of(source: LogFile, table: LogTable, keys: LogKeys, label: str) -> Log:
    """The log of a table: a step in each row that has a loss, or an epoch where it has no steps.

    Rates and norms may stand in other rows of the step. Raises: TraceError.
    """
    chosen = choose(source, table.columns, keys, label)
    epoch = next((c for c in table.columns if words(c) == "epoch"), None)
    rows = [row for row in table.rows if _cell(row, chosen.loss) is not None]
    losses = [_number(source, row, chosen.loss) for row in rows]
    epochs = None if epoch is None else _epochs(rows, epoch)
    notes = list(chosen.notes)
    if chosen.step is None and epochs is not None and len(set(epochs)) == len(epochs):
        if epochs[:1] == [1]:
            notes.append("its epochs count from 1")
        told = _epoch_losses(source, epochs, losses)
        return Log(label, epoch_losses=told, loss_key=chosen.loss, notes=notes)
    if chosen.step is None:
        steps = list(range(1, len(rows) + 1))
        notes.append("it has no column of steps, so that rows are counted")
    else:
        steps = [_whole(source, row, chosen.step) for row in rows]
        if words(chosen.step) != "step":
            notes.append(f"step is '{chosen.step}'")
    # Where rows are counted, a rate stands in the row of its loss, and else perhaps in another of the same step.
    numbered = list(zip(steps, rows, strict=True))
    if chosen.step is not None:
        there = [row for row in table.rows if _cell(row, chosen.step) is not None]
        numbered = [(_whole(source, row, chosen.step), row) for row in there]
    rates, norms = (_by_step(source, numbered, column) for column in (chosen.lr, chosen.norm))
    return Log(label, steps, losses, epochs, rates, norms, loss_key=chosen.loss, notes=notes)


def _by_step(source: LogFile, rows: Sequence[tuple[int, LogRow]], column: str | None) -> dict[int, float]:
    """A column's numbers by their steps."""
    if column is None:
        return {}
    return {step: _number(source, row, column) for step, row in rows if _cell(row, column) is not None}


def _cell(row: LogRow, column: str) -> Any | None:
    """The value of a cell, None for an empty one."""
    value = row.values.get(column)
    return value.strip() or None if isinstance(value, str) else value


def _number(source: LogFile, row: LogRow, column: str) -> float:
    value = _cell(row, column)
    number = to_float(value)
    if number is None:
        raise source.error(f"{column} is {value!r}; expected a number.", row.line)
    return number


def _whole(source: LogFile, row: LogRow, column: str) -> int:
    value = _cell(row, column)
    number = to_float(value)
    if number is None or not number.is_integer():
        raise source.error(f"{column} is {value!r}; expected the number of a step.", row.line)
    return int(number)


def to_float(value: Any) -> float | None:
    """The number that a cell holds, as a number or as its text; None where it holds none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _is_number(name: str) -> bool:
    number = to_float(name)
    return number is not None and math.isfinite(number)


def _epochs(rows: Sequence[LogRow], column: str) -> list[int] | None:
    """The epoch of each row; None where a row has none, or a part of one."""
    numbers = [to_float(_cell(row, column)) for row in rows]
    whole = [int(number) for number in numbers if number is not None and number.is_integer()]
    return whole if len(whole) == len(rows) and rows else None


def _epoch_losses(source: LogFile, epochs: Sequence[int], losses: Sequence[float]) -> list[float]:
    rows, _ = later_rows(epochs)
    numbers = [epochs[row] for row in rows]
    if numbers[0] not in (0, 1) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise source.error("epochs are missing; expected one row an epoch, from 0 or 1.")
    return [losses[row] for row in rows]
