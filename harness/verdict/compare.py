"""Two recordings side by side: first whether they may be compared, then the numbers. `verdict` judges them."""

import math
from dataclasses import dataclass, field

import numpy as np

from harness.errors import HarnessError, unknown
from harness.trace.format import BY_NAME, WHOLE_NORMS, Floats, Ints, StepLine, Trace
from harness.trace.recording import Recording
from harness.verdict.identity import Identity, compare_identity
from harness.verdict.resolution import find_rate_resolution, find_resolution
from harness.verdict.tolerance import (
    DEFAULT_MODE,
    MODES,
    Bools,
    Mode,
    Smallest,
    allowance,
    difference,
    find_smallest,
    first_false,
)

DEFAULT_WINDOW = 8
# How far two learning rates may be apart, relatively, and as a part of the largest rate of the run.
RATE_RTOL, RATE_ATOL = 1e-5, 1e-6
COARSEST_RATE = 1e-6  # as published traces print them


@dataclass(frozen=True)
class Judging:
    """The judging of a pair. `window`: steps under the pointwise tolerance; None: 8, or to the horizon where that is
    later, or all if bitwise.

    `steps`: compare only so many steps. `all_steps`: every compared step is under the tolerance. `horizon`: the last
    step that can be judged by itself, None where nobody knows. `coverage`: the least share of the steps that has to be
    judged as closely as rounding allows.
    """

    mode: Mode = DEFAULT_MODE
    window: int | None = None
    steps: int | None = None
    all_steps: bool = False
    horizon: int | None = None
    coverage: float = 0.0

    def judged(self, compared: int) -> int:
        """The number of compared steps that are under the pointwise tolerance."""
        if self.all_steps or (self.window is None and self.mode.name == "bitwise"):
            return compared
        return min(self.window or max(self.horizon or 0, DEFAULT_WINDOW), compared)


def judging_by(
    mode: str,
    window: int | None = None,
    steps: int | None = None,
    all_steps: bool = False,
    coverage: float = 0.0,
) -> Judging:
    """The judging that a user's options ask for. Raises: HarnessError when they make no sense."""
    if mode not in MODES:
        raise HarnessError(unknown("mode", mode, MODES))
    for name, count in (("window", window), ("steps", steps)):
        if count is not None and count < 1:
            raise HarnessError(f"{name} is {count}; expected at least 1.")
    if all_steps and window is not None:
        raise HarnessError("--window and --all-steps exclude each other.")
    return Judging(MODES[mode], window, steps, all_steps, coverage=coverage)


@dataclass(frozen=True)
class EpochMean:
    """Mean losses of one epoch over its compared steps `first` to `last`. `complete`: those are all its steps."""

    epoch: int
    first: int
    last: int
    a: float
    b: float
    complete: bool


@dataclass(frozen=True)
class Numbers:
    """The numbers of a pair. Differences are |a - b|, NaN where a side is not finite.

    `compared`: steps compared, from 1. `judged`: how many of them are under the pointwise tolerance.
    `first_beyond`: first compared step whose loss is beyond the mode's tolerance, judged or not.
    `nonfinite_a`, `nonfinite_b`: first step where loss, learning rate or a norm that was read is not finite.
    `lr_beyond`, `epoch_beyond`: first compared step whose learning rate or epoch does not agree.
    `close`: whether the loss of a step is within the mode's tolerance.
    `epochs`: empty when the two sides disagree about where epochs begin. `full`: the whole configured run was compared.

    Shapes: close, loss_a, loss_b, delta, lr_a, lr_b (compared,). Units: nats.
    """

    compared: int
    judged: int
    median: float | None
    max: float | None
    max_step: int | None
    first_beyond: int | None
    smallest: Smallest | None
    nonfinite_a: int | None
    nonfinite_b: int | None
    lr_max: float | None
    lr_max_step: int | None
    lr_beyond: int | None
    epoch_beyond: int | None
    epochs: tuple[EpochMean, ...]
    full: bool
    close: Bools = field(repr=False)
    loss_a: Floats = field(repr=False)
    loss_b: Floats = field(repr=False)
    delta: Floats = field(repr=False)
    lr_a: Floats = field(repr=False)
    lr_b: Floats = field(repr=False)

    def delta_at(self, step: int) -> float | None:
        """Loss difference at a step; None when it was not compared."""
        return float(self.delta[step - 1]) if step <= self.compared else None


@dataclass(frozen=True)
class Comparison:
    """A pair, compared. `numbers` is None when the pair was refused for being unlike.

    `resolution_a`: how coarsely A was printed, when that is coarser than float32. Units: nats.
    """

    a: Recording
    b: Recording
    judging: Judging
    identity: Identity
    resolution_a: float | None
    resolution_b: float | None
    numbers: Numbers | None

    @property
    def resolution(self) -> float:
        """The distance at which equal values may have been printed; 0 when neither side is coarser than float32."""
        return (self.resolution_a or 0.0) + (self.resolution_b or 0.0)


def compare(a: Recording, b: Recording, judging: Judging = Judging()) -> Comparison:
    """Compare two recordings step by step number; steps that only one side has are left out.

    A numeric difference is a result, never an exception.
    """
    limit = judging.steps
    compared = min(a.trace.steps, b.trace.steps, *([] if limit is None else [limit]))
    identity = compare_identity(a.trace, b.trace, compared)
    resolutions = find_resolution(a.trace.loss), find_resolution(b.trace.loss)
    lr_resolution = sum(_lr_resolution(side.trace, r) for side, r in ((a, resolutions[0]), (b, resolutions[1])))
    numbers = None
    if not identity.refused:
        with np.errstate(all="ignore"):  # what overflows or is not a number shows in the result
            numbers = _compare_numbers(a.trace, b.trace, judging, compared, lr_resolution)
    return Comparison(a, b, judging, identity, *resolutions, numbers)


def compare_parts(a: Recording, b: Recording) -> Comparison:
    """Two recordings of parts of a run by what says whether they are alike; numbers are looked up by step."""
    identity = compare_identity(a.trace, b.trace, max((part.end for part in a.trace.header.parts), default=0))
    return Comparison(a, b, Judging(), identity, None, None, None)


def _lr_resolution(trace: Trace, resolution: float | None) -> float:
    """The resolution of printed learning rates; few tell little, so no coarser than the losses or six decimals."""
    return 0.0 if resolution is None else min(resolution, find_resolution(trace.lr) or 0.0, COARSEST_RATE)


def _compare_numbers(a: Trace, b: Trace, judging: Judging, compared: int, lr_resolution: float) -> Numbers:
    mode, judged = judging.mode, judging.judged(compared)
    loss_a, loss_b, lr_a, lr_b = (column[:compared] for column in (a.loss, b.loss, a.lr, b.lr))
    delta, lr_delta = difference(loss_a, loss_b), difference(lr_a, lr_b)
    close = delta <= allowance(loss_a, loss_b, mode.atol, mode.rtol)
    # The modes' tolerances are made for losses, which are chaotic. Rates are not: they may differ by the rounding of
    # f32 arithmetic on either side, and of the digits that were printed.
    lr_atol, lr_rtol = 0.0, 0.0
    if mode.name != "bitwise" and compared:
        largest = float(np.maximum(np.abs(lr_a), np.abs(lr_b)).max())
        printed = max(find_rate_resolution(lr_a), find_rate_resolution(lr_b))
        lr_atol, lr_rtol = lr_resolution + RATE_ATOL * largest, max(RATE_RTOL, printed)
    max_step, lr_max_step = _largest(delta), _largest(lr_delta)
    epoch_beyond = first_false(_from_zero(a)[:compared] == _from_zero(b)[:compared])
    epochs = _epoch_means(a, b, compared) if epoch_beyond is None else ()
    return Numbers(
        compared=compared,
        judged=judged,
        median=float(np.median(delta)) if compared else None,
        max=float(delta[max_step - 1]) if max_step else None,
        max_step=max_step,
        first_beyond=first_false(close),
        smallest=find_smallest(loss_a[:judged], loss_b[:judged], mode),
        nonfinite_a=first_nonfinite(a, compared),
        nonfinite_b=first_nonfinite(b, compared),
        lr_max=float(lr_delta[lr_max_step - 1]) if lr_max_step else None,
        lr_max_step=lr_max_step,
        lr_beyond=first_false(lr_delta <= allowance(lr_a, lr_b, lr_atol, lr_rtol)),
        epoch_beyond=epoch_beyond,
        epochs=epochs,
        close=close,
        full=compared == a.steps == b.steps and _is_full(a, b, epochs),
        loss_a=loss_a,
        loss_b=loss_b,
        delta=delta,
        lr_a=lr_a,
        lr_b=lr_b,
    )


def _from_zero(trace: Trace) -> Ints:
    """The epoch of every step, from 0 also where the trace counts from 1. Shapes: (steps,)."""
    return trace.epoch - 1 if counts_epochs_from_one(trace) else trace.epoch


def counts_epochs_from_one(trace: Trace) -> bool:
    """Whether the epoch of step 1 is called 1."""
    return trace.steps > 0 and int(trace.epoch[0]) == 1


def first_nonfinite(trace: Trace, compared: int) -> int | None:
    """First of so many steps where loss, learning rate or a norm that was read is not finite."""
    steps = [step for step, line in trace.lines.items() if step <= compared and not _finite_norms(line)]
    of_columns = first_false(np.isfinite(trace.loss[:compared]) & np.isfinite(trace.lr[:compared]))
    return min([*steps, *([] if of_columns is None else [of_columns])], default=None)


def _finite_norms(line: StepLine) -> bool:
    norms = [x for key in WHOLE_NORMS if (x := getattr(line, key)) is not None]
    for key in BY_NAME:
        norms += (getattr(line, key) or {}).values()
    return not any(isinstance(x, str) or not math.isfinite(x) for x in norms)


def _largest(delta: Floats) -> int | None:
    """Step of the largest difference, or of the first NaN: no number is larger than one that is missing."""
    return int(np.argmax(delta)) + 1 if len(delta) else None


def _epoch_means(a: Trace, b: Trace, compared: int) -> tuple[EpochMean, ...]:
    epoch = _from_zero(a)[:compared]
    if compared == 0:
        return ()
    starts = np.append(0, np.flatnonzero(np.diff(epoch)) + 1)
    stops = np.append(starts[1:], compared)
    # A sum of losses could overflow; a power of two takes no bit away.
    parts = (np.add.reduceat(side.loss[:compared] * 2.0**-32, starts) / (stops - starts) for side in (a, b))
    means_a, means_b = ((part * 2.0**32).tolist() for part in parts)
    length = _epoch_steps(a, b)
    return tuple(
        EpochMean(number, start + 1, stop, mean_a, mean_b, complete=stop < compared or stop - start == length)
        for number, start, stop, mean_a, mean_b in zip(
            epoch[starts].tolist(), starts.tolist(), stops.tolist(), means_a, means_b, strict=True
        )
    )


def _epoch_steps(a: Trace, b: Trace) -> int | None:
    """The number of steps of an epoch: as a first epoch that another follows, else as a header says.

    None when the sides do not say the same, so that their order does not matter.
    """
    begun = [t for t in (a, b) if t.steps and t.epoch[-1] > t.epoch[0]]
    lengths = {int(np.argmax(trace.epoch > trace.epoch[0])) for trace in begun}
    if not lengths:
        lengths = {t.header.epoch_steps for t in (a, b) if t.header.epoch_steps is not None}
    return lengths.pop() if len(lengths) == 1 else None


def _is_full(a: Trace, b: Trace, epochs: tuple[EpochMean, ...]) -> bool:
    configured = {trace.header.config.get("epochs") for trace in (a, b)} - {None}
    return bool(epochs) and epochs[-1].complete and configured == {epochs[-1].epoch + 1}
