"""A trace as a pandas DataFrame."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.system.extras import extra
from harness.trace.columns import optional_columns
from harness.trace.recording import read_recording

if TYPE_CHECKING:
    import pandas


def read_frame(path: str | os.PathLike[str], *, allow_truncated: bool = False) -> "pandas.DataFrame":
    """See `harness.read_trace`, which is this."""
    with extra():
        import pandas

    recording = read_recording(Path(path), with_lines=True, allow_truncated=allow_truncated)
    trace = recording.trace
    columns: dict[str, Any] = {"epoch": trace.epoch, "loss": trace.loss, "lr": trace.lr}
    for column in optional_columns(trace):
        name = column.channel if column.tensor is None else f"{column.channel}.{column.tensor}"
        columns[name] = np.full(trace.steps, np.nan)
        columns[name][column.steps - 1] = column.values
    if trace.digests:
        columns["batch_sha256"] = [trace.digests.get(step) for step in range(1, trace.steps + 1)]
    frame = pandas.DataFrame(columns, index=pandas.RangeIndex(1, trace.steps + 1, name="step"))
    frame.attrs["header"] = msgspec.to_builtins(trace.header)
    if recording.manifest is not None:
        frame.attrs["manifest"] = msgspec.to_builtins(recording.manifest)
    return frame
