"""Logs that were made of a trace, and hold all of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from harness.trace.format import StepLine, Trace, TraceHeader, one_line
from harness.trace.logs.file import LogFile


def whole_trace(
    source: LogFile, header: Mapping[str, Any], steps: Sequence[tuple[int | None, Mapping[str, Any]]], note: str
) -> Trace:
    """The trace of a header and its steps, each with its line in the file. Raises: TraceError."""
    line = None
    try:
        told = msgspec.convert(header, TraceHeader)
        lines = []
        for at, step in steps:
            line = at
            lines.append(msgspec.convert({**step, "kind": "step"}, StepLine))
    except msgspec.MsgspecError as error:
        raise source.error(f"{note}, but not a trace: {one_line(error)}.", line) from None
    numbers = np.array([step.step for step in lines], np.int64)
    if (turns := np.flatnonzero(np.diff(numbers) <= 0)).size:
        at = int(turns[0]) + 1
        raise source.error(f"step {numbers[at]} follows step {numbers[at - 1]}.", steps[at][0])
    consecutive = np.array_equal(numbers, np.arange(1, len(numbers) + 1))
    return Trace(
        source.path,
        told,
        np.array([step.epoch for step in lines], np.int64),
        np.array([float(step.loss) for step in lines], np.float64),
        np.array([float(step.lr) for step in lines], np.float64),
        digests={step.step: step.batch_sha256 for step in lines if step.batch_sha256 is not None},
        lines={step.step: step for step in lines},
        words={step.step: step.param_words for step in lines if step.param_words is not None},
        numbers=None if consecutive else numbers,
        notes=(note,),
    )
