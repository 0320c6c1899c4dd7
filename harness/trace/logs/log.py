"""What a log tells of a run, and the trace that this makes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from harness.trace.format import Ints, StepLine, Trace, TraceHeader, to_number
from harness.trace.logs.file import LogFile
from harness.trace.spacing import counts_epochs_from_one, later_rows, spacing_notes

# What no log tells: the run's network, configuration, start, data, order and precision.
UNKNOWN = (
    "netspec_name",
    "config",
    "total_params",
    "dataset",
    "init_sha256",
    "data_sha256",
    "shuffle",
    "dtype",
)


@dataclass(frozen=True)
class Log:
    """Losses of steps as a log has them, in its order and by its own count.

    `epochs`: of each step, from 0 or 1; None where it does not tell. `rates`, `norms`: by step, the learning rate and
    the norm of all gradients. `averaged`: where it leaves out steps, a loss is the mean of those since the row before.
    `total`: steps that the run was asked for. `epoch_losses`: mean losses of epochs, of a log that has no steps.
    `from_zero`: the steps are known to count from 0; None where their numbers tell. `loss_key`: the losses' column.
    `run`: of a file that has several.

    Units: losses in nats.
    """

    label: str
    steps: Sequence[int] = ()
    losses: Sequence[float] = ()
    epochs: Sequence[int] | None = None
    rates: Mapping[int, float] = field(default_factory=dict)
    norms: Mapping[int, float] = field(default_factory=dict)
    averaged: bool = False
    total: int | None = None
    epoch_losses: Sequence[float] | None = None
    from_zero: bool | None = None
    loss_key: str | None = None
    run: str | None = None
    notes: Sequence[str] = ()


def trace_of(log: Log, source: LogFile) -> Trace:
    """The trace of a log. Raises: TraceError when it has no loss, or steps or epochs that make no sense."""
    if log.epoch_losses is None and not log.steps:
        raise source.error(f"a log of {log.label} without any loss of a step.")
    if (wrong := next((step for step in log.steps if not 0 <= step <= 2**53), None)) is not None:
        raise source.error(f"step {wrong} is none; steps count from 0 or 1.")
    rows, resumed = later_rows(log.steps)
    own = np.array([log.steps[row] for row in rows], np.int64)
    shift = int(_counts_from_zero(own) if log.from_zero is None else log.from_zero)
    steps = own + shift
    epochs = _epochs(log, rows)
    unknown = [*UNKNOWN, *(["epoch"] if epochs is None else []), *([] if _tells_rates(log, own) else ["lr"])]
    header = TraceHeader(
        kind="header",
        phase=log.label,
        netspec_name="",
        config={},
        total_params=0,
        dataset="",
        emitter_version="",
        planned_steps=_planned(log, steps),
        unknown=unknown,
        averaged=(log.averaged and bool((np.diff(steps, prepend=0) > 1).any())) or None,
        epoch_losses=None if log.epoch_losses is None else [to_number(loss) for loss in log.epoch_losses],
    )
    loss = np.array([log.losses[row] for row in rows], np.float64)
    rates = np.array([log.rates[step] if "lr" not in unknown else 0.0 for step in own.tolist()], np.float64)
    epoch = np.zeros(len(rows), np.int64) if epochs is None else epochs
    lines = {
        step + shift: StepLine(
            kind="step",
            step=step + shift,
            epoch=int(epoch[row]),
            loss=to_number(loss[row]),
            lr=to_number(rates[row]),
            grad_norm=to_number(log.norms[step]),
        )
        for row, step in enumerate(own.tolist())
        if step in log.norms
    }
    notes = [*log.notes, *resumed, *spacing_notes(steps)]
    if shift:
        notes.append("its steps count from 0")
    if epochs is not None and counts_epochs_from_one(epochs, steps):
        notes.append("its epochs count from 1")
    if header.averaged:
        notes.append("each loss is the mean since the row before")
    path = source.path if log.run is None else f"{source.path}:{log.run}"
    consecutive = np.array_equal(steps, np.arange(1, len(steps) + 1))
    return Trace(
        path, header, epoch, loss, rates, lines=lines, numbers=None if consecutive else steps, notes=tuple(notes)
    )


def _tells_rates(log: Log, steps: Ints) -> bool:
    """Whether every step that counts has its learning rate, and not only some."""
    return len(steps) > 0 and all(step in log.rates for step in steps.tolist())


def _epochs(log: Log, rows: Sequence[int]) -> Ints | None:
    """The epoch of each row that counts, None where nobody knows or they go back."""
    if log.epochs is None:
        return None
    epochs = np.array([log.epochs[row] for row in rows], np.int64)
    return None if (np.diff(epochs) < 0).any() or (epochs < 0).any() else epochs


def _counts_from_zero(steps: Ints) -> bool:
    """Whether the first step is called 0, or every tenth one 9, 19, 29; what begins with 1 may be either."""
    return len(steps) > 0 and int(steps[0]) != 1 and ends_intervals(steps.tolist())


def ends_intervals(steps: Sequence[int]) -> bool:
    """Whether steps that count from 0 are the last ones of as many intervals of one length: 0, 1, 2 or 9, 19, 29."""
    first, apart = steps[0], math.gcd(*(later - step for step, later in pairwise(steps)))
    return first == 0 or (apart > 1 and (first + 1) % apart == 0)


def _planned(log: Log, steps: Ints) -> int | None:
    """The steps that were asked for, of a run that ended before the last of them that it would have logged."""
    if log.total is None or len(steps) == 0:
        return None
    apart = int(steps[-1] - steps[-2]) if len(steps) > 1 else 1
    return log.total if steps[-1] + apart <= log.total else None
