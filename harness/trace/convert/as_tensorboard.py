"""A trace as a TensorBoard event file."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from harness.system.extras import extra
from harness.system.files import replace_file
from harness.trace.columns import optional_columns
from harness.trace.format import Trace
from harness.trace.recording import Recording

with extra():
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter
    from tensorboardX.summary import text


def write_events(recording: Recording, path: Path) -> None:
    """Every channel as a scalar, those by name as `grad_norms/conv1.w`, the header as text.

    A trace has no clock: times are seconds since the run began, as far as it says how long its steps took. Scalars are
    float32, which is all that TensorBoard draws. Raises: OSError, PackageError.
    """
    trace, manifest = recording.trace, recording.manifest
    with replace_file(path) as file, closing(RecordWriter(file.name)) as records:  # it opens files by name only
        for event in (Event(file_version="brain.Event:2"), Event(summary=_header(trace)), *_steps(trace)):
            records.write(event.SerializeToString())
        if manifest is not None and manifest.test_accuracy is not None:
            value = Summary.Value(tag="test_accuracy", simple_value=manifest.test_accuracy)
            records.write(Event(step=trace.last_step, summary=Summary(value=[value])).SerializeToString())


def _header(trace: Trace) -> Summary:
    shown = json.dumps(msgspec.to_builtins(trace.header), indent=2, ensure_ascii=False)
    return text("header", "\n".join(f"    {line}" for line in shown.splitlines()))  # a code block in Markdown


def _steps(trace: Trace) -> Iterable[Event]:
    values = [
        [("loss", loss), ("lr", lr), ("epoch", epoch)]
        for loss, lr, epoch in zip(trace.loss.tolist(), trace.lr.tolist(), trace.epoch.tolist(), strict=True)
    ]
    took = np.zeros(trace.steps)
    for column in optional_columns(trace):
        tag = column.channel if column.tensor is None else f"{column.channel}/{column.tensor}"
        rows = trace.rows(column.steps)
        for row, value in zip(rows.tolist(), column.values.tolist(), strict=True):
            values[row].append((tag, value))
        if tag == "wall_ms":
            told = (column.values >= 0) & np.isfinite(column.values)
            took[rows] = np.where(told, column.values, 0.0) / 1000
    for step, of_step, clock in zip(trace.step.tolist(), values, took.cumsum().tolist(), strict=True):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in of_step])
        yield Event(step=step, wall_time=clock, summary=summary)
