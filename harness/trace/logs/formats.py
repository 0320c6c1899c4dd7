"""The formats of logs: how each is known by its content, and what reads it."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.trace.format import Trace
from harness.trace.logs.csv_exports import (
    TENSORBOARD,
    is_keras,
    is_lightning,
    is_wandb,
    read_lightning,
    read_tensorboard,
    read_wandb,
)
from harness.trace.logs.events import is_events, read_events
from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import Log, trace_of
from harness.trace.logs.megatron import is_golden, is_megatron_stdout, read_golden, read_megatron_stdout
from harness.trace.logs.mllog import is_mllog, read_mllog
from harness.trace.logs.table import LogTable, csv_table, json_table, log_of
from harness.trace.logs.torchtitan import is_loss_file, is_torchtitan_stdout, read_loss_file, read_torchtitan_stdout
from harness.trace.logs.trainer_state import is_trainer_state, read_trainer_state


@dataclass(frozen=True)
class LogFormat:
    """A format. `label`: what it is called in reports. `knows`: whether a file is of it. `read`: the trace of one."""

    label: str
    knows: Callable[[LogFile], bool]
    read: Callable[[LogFile, LogKeys, str], Trace]


def _logged(read: Callable[[LogFile, LogKeys, str], Log]) -> Callable[[LogFile, LogKeys, str], Trace]:
    return lambda source, keys, label: trace_of(read(source, keys, label), source)


def _csv(
    label: str, knows: Callable[[LogTable], bool], read: Callable[[LogFile, LogTable, LogKeys, str], Log] = log_of
) -> LogFormat:
    """A format of CSV files, known by its columns."""

    def is_it(source: LogFile) -> bool:
        table = csv_table(source)
        return table is not None and knows(table)

    def read_it(source: LogFile, keys: LogKeys, label: str) -> Trace:
        table = csv_table(source)
        if table is None:
            raise source.error(f"not CSV; expected {label}.")
        return trace_of(read(source, table, keys, label), source)

    return LogFormat(label, is_it, read_it)


def _read_json(source: LogFile, keys: LogKeys, label: str) -> Trace:
    table = json_table(source)
    if table is None:
        raise source.error(f"not JSON: {source.json_error}; expected {label}.")
    return trace_of(log_of(source, table, keys, label), source)


# By the names by which `convert --from` knows them, in the order in which they are tried.
LOG_FORMATS = {
    "tensorboard-events": LogFormat("TensorBoard events", is_events, read_events),
    "mllog": LogFormat("MLPerf log", is_mllog, read_mllog),
    "trainer-state": LogFormat("Hugging Face trainer_state", is_trainer_state, _logged(read_trainer_state)),
    "megatron-golden": LogFormat("Megatron golden values", is_golden, _logged(read_golden)),
    "megatron": LogFormat("Megatron output", is_megatron_stdout, _logged(read_megatron_stdout)),
    "torchtitan": LogFormat("TorchTitan output", is_torchtitan_stdout, _logged(read_torchtitan_stdout)),
    "torchtitan-losses": LogFormat("TorchTitan losses", is_loss_file, _logged(read_loss_file)),
    "tensorboard": _csv("TensorBoard CSV", lambda table: tuple(table.columns) == TENSORBOARD, read_tensorboard),
    "wandb": _csv("W&B export", is_wandb, read_wandb),
    "wandb-history": _csv("W&B history", lambda table: {"_step", "_timestamp"} <= set(table.columns)),
    "lightning": _csv("Lightning metrics", is_lightning, read_lightning),
    "keras": _csv("Keras CSVLogger", is_keras),
    "json": LogFormat("JSON", lambda source: json_table(source) is not None, _read_json),
    "csv": _csv("CSV", lambda table: True),
}


def find_format(source: LogFile) -> LogFormat | None:
    """The format of a file by its content; None where it is of none."""
    return next((one for one in LOG_FORMATS.values() if one.knows(source)), None)
