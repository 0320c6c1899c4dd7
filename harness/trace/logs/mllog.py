"""Logs of MLPerf's training runs, also those that `harness convert` writes, which tell all of a trace."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.trace.format import Trace
from harness.trace.logs.file import LogFile, parse_json
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log, trace_of
from harness.trace.logs.table import LogRow, LogTable, log_of, to_float
from harness.trace.logs.whole import whole_trace

_MARK = ":::MLLOG"
_LOSS, _BATCH, _STARTED = "train_loss", "global_batch_size", "run_start"
_STEP, _EPOCH, _SAMPLES = "step_num", "epoch_num", "samples_count"
_RATES = ("lr", "learning_rate", "opt_learning_rate", "opt_base_learning_rate")


def is_mllog(source: LogFile) -> bool:
    """Some line is marked."""
    return _MARK in source.text


def read_mllog(source: LogFile, keys: LogKeys, label: str) -> Trace:
    """The trace of the events `train_loss`, whole where the log was made of one. Raises: TraceError."""
    events = _events(source)
    losses = [(number, event) for number, event in events if event.get("key") == (keys.loss or _LOSS)]
    if not losses:
        raise source.error(f"{label} without any event '{keys.loss or _LOSS}'. Name one with --loss-key.")
    for _, event in events:
        header = _metadata(event).get("header")
        if event.get("key") == _STARTED and isinstance(header, dict):
            steps = [
                (number, _metadata(event) | {"loss": event.get("value")} | _numbered(event)) for number, event in losses
            ]
            return whole_trace(source, header, steps, "written as mllog")
    batch = next((to_float(event.get("value")) for _, event in events if event.get("key") == _BATCH), None)
    return trace_of(_log(source, losses, keys, label, batch), source)


def _events(source: LogFile) -> list[tuple[int, dict[str, Any]]]:
    events = []
    for number, line in enumerate(source.text.split("\n"), 1):
        _, mark, text = line.partition(_MARK)
        if mark:
            event, wrong = parse_json(text.strip())
            if not isinstance(event, dict):
                raise source.error(f"not an event of mllog: {wrong or 'no object'}.", number)
            events.append((number, event))
    return events


def _numbered(event: dict[str, Any]) -> dict[str, Any]:
    return {"step": _metadata(event).get(_STEP), "epoch": _metadata(event).get(_EPOCH)}


def _metadata(event: dict[str, Any]) -> dict[str, Any]:
    metadata = event.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _log(
    source: LogFile, losses: Sequence[tuple[int, dict[str, Any]]], keys: LogKeys, label: str, batch: float | None
) -> Log:
    """The log of some events. Without the number of a step, that is told by the samples before or after it."""
    rows = [LogRow(number, {"loss": event.get("value"), **_metadata(event)}) for number, event in losses]
    counted = {name for row in rows for name in row.values}
    notes, from_zero = [], None
    step = keys.step or next((name for name in (_STEP, "step", "iteration") if name in counted), None)
    if step is None and all(_SAMPLES in row.values for row in rows):
        samples = [_samples(source, row) for row in rows]
        size = int(batch) if batch is not None and batch >= 1 else math.gcd(*samples) or 1
        if any(count % size for count in samples):
            raise source.error(f"{_SAMPLES} are not whole batches of {size} samples.")
        rows = [LogRow(row.line, {**row.values, "step": n // size}) for row, n in zip(rows, samples, strict=True)]
        step, from_zero = "step", samples[0] == 0
        notes.append(f"steps are {size} samples")
    epochs = "epoch" if _EPOCH in counted else None
    if epochs is not None:
        rows = [LogRow(row.line, {**row.values, "epoch": row.values.get(_EPOCH)}) for row in rows]
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    rate = keys.lr or next((name for name in _RATES if name in columns), None)
    chosen = LogKeys(step, "loss", rate, keys.norm)
    log = log_of(source, LogTable(columns, rows), chosen, label)
    return replace(log, from_zero=from_zero, notes=[*notes, *log.notes])


def _samples(source: LogFile, row: LogRow) -> int:
    number = to_float(row.values[_SAMPLES])
    if number is None or not number.is_integer() or number < 0:
        raise source.error(f"{_SAMPLES} is {row.values[_SAMPLES]!r}; expected a number of samples.", row.line)
    return int(number)
