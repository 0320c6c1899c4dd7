"""The CSV files of Lightning, Keras, Weights & Biases and TensorBoard."""

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import unknown
from harness.trace.logs.columns import words
from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log, ends_intervals
from harness.trace.logs.table import LogRow, LogTable, log_of, to_float

_RUN = " - "  # between the name of a run and that of its metric
_LEAST, _MOST = "__MIN", "__MAX"
TENSORBOARD = ("Wall time", "Step", "Value")


def is_lightning(table: LogTable) -> bool:
    """Metrics of a step or an epoch in rows of their own, so that every row has empty cells."""
    names = {words(name) for name in table.columns}
    suffixed = any(name.endswith((" step", " epoch")) for name in names)
    sparse = bool(table.rows) and all(any(value == "" for value in row.values.values()) for row in table.rows)
    return {"epoch", "step"} <= names and (suffixed or sparse)


def read_lightning(source: LogFile, table: LogTable, keys: LogKeys, label: str) -> Log:
    """`metrics.csv` of its CSVLogger, whose steps count from 0; what has a row an epoch is the mean of an epoch."""
    log = log_of(source, table, keys, label)
    epochs = log.epochs or []
    of_epochs = len(epochs) > 1 and len(set(epochs)) == len(epochs)
    named = words(log.loss_key or "").endswith(" epoch")
    from_zero = bool(log.steps) and ends_intervals(log.steps)
    return replace(log, from_zero=from_zero, averaged=of_epochs or named)


def is_keras(table: LogTable) -> bool:
    """A row an epoch, by CSVLogger."""
    names = {words(name) for name in table.columns}
    return {"epoch", "loss"} <= names and "step" not in names


def is_wandb(table: LogTable) -> bool:
    """A chart's export: RUN - METRIC, mostly with the least and the largest of each."""
    metrics = [name for name in table.columns[1:] if _RUN in name]
    return bool(metrics) and (any(name.endswith(_LEAST) for name in metrics) or len(metrics) == len(table.columns) - 1)


def read_wandb(source: LogFile, table: LogTable, keys: LogKeys, label: str) -> Log:
    """One of the runs of an export. Values that stand for several steps are their mean."""
    axis, *rest = table.columns
    by_run: dict[str, list[str]] = {}
    for name in rest:
        run, divided, _ = name.rpartition(_RUN)
        if divided and not name.endswith((_LEAST, _MOST)):
            by_run.setdefault(run, []).append(name)
    run = _run(source, list(by_run), keys.run)
    prefix = f"{run}{_RUN}"
    metrics = {name.removeprefix(prefix): name for name in by_run[run]}
    columns = {axis: axis, **{metric: name for metric, name in metrics.items() if metric != axis}}
    rows = [LogRow(row.line, {metric: row.values[name] for metric, name in columns.items()}) for row in table.rows]
    log = log_of(source, LogTable(list(columns), rows), replace(keys, step=keys.step or axis), label)
    spread = _spread(table, columns[log.loss_key or ""])
    notes = [f"run '{run}'" + (f" of {len(by_run)}" if len(by_run) > 1 else ""), *log.notes]
    if spread:
        notes.append(f"{spread} of {len(log.steps)} losses stand for several steps, of which they are the mean")
    return replace(log, averaged=bool(spread), run=run if len(by_run) > 1 else None, notes=notes)


def _run(source: LogFile, runs: Sequence[str], asked: str | None) -> str:
    if asked is not None and asked not in runs:
        raise source.error(unknown("run", asked, runs))
    if asked is None and len(runs) > 1:
        raise source.error(f"several runs: {', '.join(map(repr, runs))}. Name one with --run.")
    return asked or runs[0]


def _spread(table: LogTable, column: str) -> int:
    """How many rows have a least and a largest value that differ."""
    bounds = [[to_float(row.values.get(column + end)) for end in (_LEAST, _MOST)] for row in table.rows]
    return sum(None not in (least, most) and least != most for least, most in bounds)


def read_tensorboard(source: LogFile, table: LogTable, keys: LogKeys, label: str) -> Log:
    """One scalar, which is taken for the loss: the file does not name it."""
    log = log_of(source, table, replace(keys, loss=keys.loss or TENSORBOARD[2]), label)
    return replace(log, notes=["its values are taken for losses"])
