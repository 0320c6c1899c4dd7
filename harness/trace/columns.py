"""A trace as columns by name, for whatever draws or tabulates it."""

from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats, Ints, Trace

CHANNELS = ("grad_norm", "param_norm", "update_norm", "wall_ms")
BY_PARAMETER = ("grad_norms", "param_norms", "update_norms")


@dataclass(frozen=True)
class Column:
    """One channel. `parameter`: whose norm it is, where there is one a parameter.

    Shapes: steps, values (n,), for the n steps that have it.
    """

    channel: str
    parameter: str | None
    steps: Ints
    values: Floats


def optional_columns(trace: Trace) -> list[Column]:
    """The optional numbers of a trace that was read with all its lines: whole norms, wall time, norms by parameter."""
    found: dict[tuple[str, str | None], dict[int, float]] = {(channel, None): {} for channel in CHANNELS}
    for channel in BY_PARAMETER:
        for step, line in trace.lines.items():
            for parameter, value in (getattr(line, channel) or {}).items():
                found.setdefault((channel, parameter), {})[step] = float(value)
    for channel in CHANNELS:
        for step, line in trace.lines.items():
            if (value := getattr(line, channel)) is not None:
                found[channel, None][step] = float(value)
    return [
        Column(*name, np.fromiter(values, np.int64, len(values)), np.fromiter(values.values(), np.float64, len(values)))
        for name, values in found.items()
        if values
    ]
