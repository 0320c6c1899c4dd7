"""What Megatron-LM prints, and the golden values of its functional tests."""

import re
from collections.abc import Mapping
from typing import Any

from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log
from harness.trace.logs.table import LogRow, LogTable, log_of

_ITERATION = re.compile(r"\biteration\s+(\d+)\s*/\s*(\d+)\s*\|(.*)")
_VALUES, _START, _INTERVAL = "values", "start_step", "step_interval"


def is_megatron_stdout(source: LogFile) -> bool:
    """Some line tells an iteration of so many, and its metrics between bars."""
    return any(_ITERATION.search(line) for line in source.lines)


def read_megatron_stdout(source: LogFile, keys: LogKeys, label: str) -> Log:
    """A row for each line of an iteration. A loss is the mean of the iterations since the line before."""
    rows, total = [], 0
    for number, line in enumerate(source.lines, 1):
        if (found := _ITERATION.search(line)) is not None:
            cells = [cell.partition(":") for cell in found[3].split("|")]
            values = {name.strip(): value for name, colon, value in cells if colon}
            rows.append(LogRow(number, {"iteration": found[1], **values}))
            total = int(found[2])
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    log = log_of(source, LogTable(columns, rows), keys, label)
    return Log(label, log.steps, log.losses, None, log.rates, log.norms, averaged=True, total=total, notes=log.notes)


def is_golden(source: LogFile) -> bool:
    """Metrics by name, each with its values and their steps."""
    value = source.value
    return isinstance(value, dict) and any(isinstance(metric, dict) and _VALUES in metric for metric in value.values())


def read_golden(source: LogFile, keys: LogKeys, label: str) -> Log:
    """A row for each step; values are by step, in older files a list of every so many steps."""
    by_step: dict[str, dict[str, Any]] = {}
    columns = []
    for name, metric in (source.value or {}).items():
        if isinstance(metric, dict) and _VALUES in metric:
            columns.append(name)
            for step, value in _steps(source, name, metric).items():
                by_step.setdefault(step, {"step": step})[name] = value
    return log_of(source, LogTable(["step", *columns], [LogRow(None, row) for row in by_step.values()]), keys, label)


def _steps(source: LogFile, name: str, metric: Mapping[str, Any]) -> Mapping[str, Any]:
    values = metric[_VALUES]
    if isinstance(values, dict):
        return values
    start, apart = metric.get(_START, 0), metric.get(_INTERVAL, 1)
    if not isinstance(values, list) or not isinstance(start, int) or not isinstance(apart, int):
        raise source.error(f"the values of '{name}' are neither by step nor a list with {_START} and {_INTERVAL}.")
    return {str(start + apart * place): value for place, value in enumerate(values)}
