"""Two recordings side by side: first whether they may be compared, then the numbers. `verdict` judges them."""

import math
from dataclasses import dataclass, field

import numpy as np

from harness.errors import HarnessError, unknown
from harness.trace.format import BY_NAME, WHOLE_NORMS, Floats, Ints, StepLine, Trace
from harness.trace.recording import Recording
from harness.verdict.epochs import EpochMean, epoch_means, epochs_from_zero, is_full
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

    def judged(self, last: int) -> int:
        """The last step under the pointwise tolerance, of steps up to `last`."""
        if self.all_steps or (self.window is None and self.mode.name == "bitwise"):
            return last
        return min(self.window or max(self.horizon or 0, DEFAULT_WINDOW), last)


def judging_by(
    mode: str,
    window: int | None = None,
    steps: int | None = None,
    all_steps: bool = False,
    coverage: float = 0.0,
) -> Judging:
    """The judging that a user's options ask for. Raises: HarnessError when they make no sense."""
    if mode not in MODES:
        raise HarnessError(unknown("mode", str(mode), MODES))
    for name, count in (("window", window), ("steps", steps)):
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise HarnessError(f"{name} is {count!r}; expected a whole number of at least 1.")
    if not (isinstance(coverage, int | float) and 0 <= coverage <= 1):
        raise HarnessError(f"the coverage that is required is {coverage!r}; expected a share from 0 to 1.")
    if all_steps and window is not None:
        raise HarnessError("--window and --all-steps exclude each other.")
    return Judging(MODES[mode], window, steps, all_steps, coverage=coverage)


@dataclass(frozen=True)
class Numbers:
    """The numbers of a pair. Differences are |a - b|, NaN where a side is not finite.

    `compared`: how many steps are, those that both sides have. `judged`: how many of them are under the pointwise
    tolerance. `unbroken`: how many follow each other from step 1 on.
    `first_beyond`: first compared step whose loss is beyond the mode's tolerance, judged or not.
    `nonfinite_a`, `nonfinite_b`: first step where loss, learning rate or a norm that was read is not finite.
    `lr_beyond`, `epoch_beyond`: first compared step whose learning rate or epoch does not agree.
    `close`: whether the loss of a step is within the mode's tolerance.
    A step where not both sides tell their rate has rates of 0.
    `epochs`: empty when the two sides disagree about where epochs begin. `full`: the whole configured run was compared.
    `steps`: the numbers of the compared steps.

    Shapes: close, loss_a, loss_b, delta, lr_a, lr_b, steps (compared,). Units: nats.
    """

    compared: int
    judged: int
    unbroken: int
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
    steps: Ints = field(repr=False)

    def row(self, step: int) -> int | None:
        """The row of a step in the columns; None when it was not compared."""
        row = int(np.searchsorted(self.steps, step))
        return row if row < self.compared and self.steps[row] == step else None

    def delta_at(self, step: int) -> float | None:
        """Loss difference at a step; None when it was not compared."""
        row = self.row(step)
        return None if row is None else float(self.delta[row])


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
    steps = common_steps(a.trace, b.trace, judging.steps)
    identity = compare_identity(a.trace, b.trace, int(steps[-1]) if len(steps) else 0)
    resolutions = find_resolution(a.trace.loss), find_resolution(b.trace.loss)
    lr_resolution = sum(_lr_resolution(side.trace, r) for side, r in ((a, resolutions[0]), (b, resolutions[1])))
    numbers = None
    if not identity.refused:
        with np.errstate(all="ignore"):  # what overflows or is not a number shows in the result
            numbers = _compare_numbers(a.trace, b.trace, judging, steps, lr_resolution)
    return Comparison(a, b, judging, identity, *resolutions, numbers)


def common_steps(a: Trace, b: Trace, last: int | None = None) -> Ints:
    """The steps that both have, up to `last`, with losses that are of the same steps. Shapes: (compared,)."""
    steps = np.intersect1d(a.step, b.step, assume_unique=True)
    steps = steps[: None if last is None else np.searchsorted(steps, last, side="right")]
    same: Ints = steps[a.begins[a.rows(steps)] == b.begins[b.rows(steps)]]
    return same


def compare_parts(a: Recording, b: Recording) -> Comparison:
    """Two recordings of parts of a run by what says whether they are alike; numbers are looked up by step."""
    identity = compare_identity(a.trace, b.trace, max((part.end for part in a.trace.header.parts), default=0))
    return Comparison(a, b, Judging(), identity, None, None, None)


def _lr_resolution(trace: Trace, resolution: float | None) -> float:
    """The resolution of printed learning rates; few tell little, so no coarser than the losses or six decimals."""
    return 0.0 if resolution is None else min(resolution, find_resolution(trace.lr) or 0.0, COARSEST_RATE)


def _compare_numbers(a: Trace, b: Trace, judging: Judging, steps: Ints, lr_resolution: float) -> Numbers:
    mode, compared = judging.mode, len(steps)
    last = int(steps[-1]) if compared else 0
    judged = int(np.searchsorted(steps, judging.judged(last), side="right"))
    rows_a, rows_b = a.rows(steps), b.rows(steps)
    # Of whole traces their own columns: a report of many pairs holds each trace once.
    (loss_a, lr_a), (loss_b, lr_b) = (
        (side.loss, side.lr) if side.steps == compared else (side.loss[rows], side.lr[rows])
        for side, rows in ((a, rows_a), (b, rows_b))
    )
    steps = a.step if a.steps == compared else steps
    with_rates, with_epochs = (all(side.header.tells(what) for side in (a, b)) for what in ("lr", "epoch"))
    if not with_rates:
        lr_a, lr_b = np.zeros((2, compared))
    delta, lr_delta = difference(loss_a, loss_b), difference(lr_a, lr_b)
    close = delta <= allowance(loss_a, loss_b, mode.atol, mode.rtol)
    # The modes' tolerances are made for losses, which are chaotic. Rates are not: they may differ by the rounding of
    # f32 arithmetic on either side, and of the digits that were printed.
    lr_atol, lr_rtol = 0.0, 0.0
    if mode.name != "bitwise" and compared:
        largest = float(np.maximum(np.abs(lr_a), np.abs(lr_b)).max())
        printed = max(find_rate_resolution(lr_a), find_rate_resolution(lr_b))
        lr_atol, lr_rtol = lr_resolution + RATE_ATOL * largest, max(RATE_RTOL, printed)
    max_row, lr_max_row = _largest(delta), _largest(lr_delta)
    agree = epochs_from_zero(a, rows_a) == epochs_from_zero(b, rows_b)
    epoch_beyond = _step_of(first_false(agree), steps) if with_epochs else None
    epochs = epoch_means(a, b, steps, loss_a, loss_b) if epoch_beyond is None else ()
    unbroken = int(np.argmin(np.append(steps == np.arange(1, compared + 1), False)))
    smallest = find_smallest(loss_a[:judged], loss_b[:judged], mode, steps[:judged])
    return Numbers(
        compared=compared,
        judged=judged,
        median=float(np.median(delta)) if compared else None,
        unbroken=unbroken,
        max=None if max_row is None else float(delta[max_row]),
        max_step=None if max_row is None else int(steps[max_row]),
        first_beyond=_step_of(first_false(close), steps),
        smallest=smallest,
        nonfinite_a=first_nonfinite(a, last),
        nonfinite_b=first_nonfinite(b, last),
        lr_max=None if lr_max_row is None or not with_rates else float(lr_delta[lr_max_row]),
        lr_max_step=None if lr_max_row is None or not with_rates else int(steps[lr_max_row]),
        lr_beyond=_step_of(first_false(lr_delta <= allowance(lr_a, lr_b, lr_atol, lr_rtol)), steps),
        epoch_beyond=epoch_beyond,
        epochs=epochs,
        close=close,
        full=compared == a.steps == b.steps and is_full(a, b, epochs),
        loss_a=loss_a,
        loss_b=loss_b,
        delta=delta,
        lr_a=lr_a,
        lr_b=lr_b,
        steps=steps,
    )


def first_nonfinite(trace: Trace, last: int) -> int | None:
    """First step up to `last` where loss, learning rate or a norm that was read is not finite."""
    steps = [step for step, line in trace.lines.items() if step <= last and not _finite_norms(line)]
    columns = (trace.loss, trace.lr) if trace.header.tells("lr") else (trace.loss,)
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
    of_columns = trace.step[~finite & (trace.step <= last)][:1].tolist()
    return min([*steps, *of_columns], default=None)


def _finite_norms(line: StepLine) -> bool:
    norms = [x for key in WHOLE_NORMS if (x := getattr(line, key)) is not None]
    for key in BY_NAME:
        norms += (getattr(line, key) or {}).values()
    return not any(isinstance(x, str) or not math.isfinite(x) for x in norms)


def _largest(delta: Floats) -> int | None:
    """Row of the largest difference, or of the first NaN: no number is larger than one that is missing."""
    return int(np.argmax(delta)) if len(delta) else None


def _step_of(place: int | None, steps: Ints) -> int | None:
    """The step in a place that is counted from 1."""
    return None if place is None else int(steps[place - 1])
