"""`trainer_state.json` of the Trainer of Hugging Face's transformers."""

from dataclasses import replace
from typing import Any

from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log
from harness.trace.logs.table import LogRow, LogTable, log_of, to_float

_HISTORY = "log_history"


def is_trainer_state(source: LogFile) -> bool:
    """A state has the history of what was logged."""
    return isinstance(source.value, dict) and _HISTORY in source.value


def read_trainer_state(source: LogFile, keys: LogKeys, label: str) -> Log:
    """The rows of the history that have a loss; those of evaluations and the summary at the end have another key.

    A loss is the mean of the steps since the row before. `epoch` is a fraction, rounded in some versions: it tells no
    step where an epoch begins.
    """
    state = source.value if isinstance(source.value, dict) else {}
    history = state.get(_HISTORY)
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise source.error(f"{_HISTORY} is not a list of objects.")
    rows = [LogRow(None, row) for row in history]
    columns = list(dict.fromkeys(name for row in history for name in row))
    if keys.loss is None and "loss" not in columns:
        raise source.error(f"{label} in which no step has logged its loss.")
    log = log_of(source, LogTable(columns, rows), replace(keys, loss=keys.loss or "loss"), label)
    return replace(log, epochs=None, averaged=keys.loss in (None, "loss"), total=_total(state))


def _total(state: dict[str, Any]) -> int | None:
    """The steps that were asked for, of a run that has not taken them all."""
    taken, asked = (to_float(state.get(name)) for name in ("global_step", "max_steps"))
    return int(asked) if taken is not None and asked is not None and 0 < taken < asked < 2**53 else None
