"""A trace as columns by name, for whatever draws or tabulates it."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.trace.format import BY_NAME, WHOLE_NORMS, Floats, Ints, StepLine, Trace, to_number

CHANNELS = (*WHOLE_NORMS, "wall_ms")


@dataclass(frozen=True)
class Column:
    """One channel. `tensor`: whose number it is, where there is one a parameter or running statistic.

    Shapes: steps, values (n,), for the n steps that have it.
    """

    channel: str
    tensor: str | None
    steps: Ints
    values: Floats


def step_lines(trace: Trace) -> Iterator[StepLine]:
    """The line of every step, also of those of which the trace has kept only the columns."""
    columns = (column.tolist() for column in (trace.step, trace.epoch, trace.loss, trace.lr))
    for step, epoch, loss, lr in zip(*columns, strict=True):
        if (line := trace.lines.get(step)) is not None:
            yield line if line.step == step else msgspec.structs.replace(line, step=step)
        else:
            digest, words = trace.digests.get(step), trace.words.get(step)
            yield StepLine(
                kind="step",
                step=step,
                epoch=epoch,
                loss=to_number(loss),
                lr=to_number(lr),
                batch_sha256=digest,
                param_words=None if words is None else dict(words),
            )


def optional_columns(trace: Trace) -> list[Column]:
    """The optional numbers of a trace that was read with all its lines: whole norms, wall time, those by name."""
    found: dict[tuple[str, str | None], dict[int, float]] = {(channel, None): {} for channel in CHANNELS}
    for channel in BY_NAME:
        for step, line in trace.lines.items():
            for tensor, value in (getattr(line, channel) or {}).items():
                found.setdefault((channel, tensor), {})[step] = float(value)
    for channel in CHANNELS:
        for step, line in trace.lines.items():
            if (value := getattr(line, channel)) is not None:
                found[channel, None][step] = float(value)
    return [
        Column(*name, np.fromiter(values, np.int64, len(values)), np.fromiter(values.values(), np.float64, len(values)))
        for name, values in found.items()
        if values
    ]
