"""The trace of a run: one JSON object a line, the header, then one line a step. `traces/README.md` specifies it."""

import errno
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import msgspec
import numpy as np
import numpy.typing as npt

from harness.errors import TraceError
from harness.system.files import open_alone, release
from harness.trace.parts import WHOLE, Part, StepNumbers, parse_parts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NonFinite = Literal["NaN", "Infinity", "-Infinity"]
Number = float | NonFinite
# Optional channels that hold numbers: one number, or one for each parameter or running statistic by its name.
WHOLE_NORMS = ("grad_norm", "param_norm", "update_norm")
BY_NAME = ("grad_norms", "param_norms", "update_norms", "grad_projections", "update_projections", "stat_norms")
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
WordsDigest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]


class TraceHeader(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """First line of a trace. Version 1 has the keys up to `emitter_version`; the others may be absent.

    `unknown`: keys, and columns of the steps, that hold placeholders: the program that logged the run did not tell.
    `averaged`: the loss of a step is the mean of the steps since the one before it in the trace. `epoch_losses`: the
    mean loss of each epoch from the first, where the program told that and no steps.
    """

    kind: Literal["header"]
    phase: str
    netspec_name: str
    config: dict[str, Any]
    total_params: Count
    dataset: str
    emitter_version: str
    netspec_hash: str | None = None
    init_sha256: str | None = None
    data_sha256: str | None = None
    conventions: dict[str, str | bool | int | float] | None = None
    pipeline: str | None = None
    backend: str | None = None
    dtype: str | None = None
    planned_steps: Count | None = None
    run_steps: str | None = None
    epoch_steps: Count | None = None
    params: list[str] | None = None
    units: dict[str, str] | None = None
    shuffle: bool | None = None
    jit: bool | None = None
    devices: Count | None = None
    emitted_sha256: str | None = None
    unknown: list[str] | None = None
    averaged: bool | None = None
    epoch_losses: list[Number] | None = None

    def __post_init__(self) -> None:
        if self.run_steps is not None:
            parse_parts(self.run_steps)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the run that the trace is of; one that never ends for a whole run."""
        return WHOLE if self.run_steps is None else parse_parts(self.run_steps)

    def tells(self, key: str) -> bool:
        """Whether a key of the header, or a column of the steps, holds what its name says and no placeholder."""
        return key not in (self.unknown or ())


class ConfigTypes(msgspec.Struct):
    """Types of the config keys that version 1 names; others may follow."""

    lr: float | None = None
    batch_size: Count | None = None
    epochs: Count | None = None
    use_adam: bool | None = None
    weight_decay: float | None = None
    cosine: bool | None = None
    warmup_epochs: Count | None = None
    augment: bool | None = None
    label_smoothing: float | None = None
    seed: int | None = None


class StepLine(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """One step as its line holds it. `step` counts from 1, `epoch` from 0; `loss` is the loss before the update.

    `grad_projections`, `update_projections`: see `harness.trace.projection`. `stat_norms`: of the running statistics
    after the step. `param_words`: digests of the words of the parameters after the step, see `harness.trace.words`.
    """

    kind: Literal["step"]
    step: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    epoch: Count
    loss: Number
    lr: Number
    grad_norm: Number | None = None
    param_norm: Number | None = None
    update_norm: Number | None = None
    grad_norms: dict[str, Number] | None = None
    param_norms: dict[str, Number] | None = None
    update_norms: dict[str, Number] | None = None
    grad_projections: dict[str, Number] | None = None
    update_projections: dict[str, Number] | None = None
    stat_norms: dict[str, Number] | None = None
    param_words: dict[str, WordsDigest] | None = None
    batch_sha256: str | None = None
    wall_ms: Number | None = None


@dataclass(frozen=True)
class Trace:
    """A trace in memory; row k of a column is step k + 1 where steps are consecutive from 1.

    They are not in a trace of parts of a run, and in one of a program that does not log every step; nothing reads those
    that does not ask for them: see `step`. `numbers`: the steps of such a program. `notes`: what a reader of the
    numbers has to know about how they were read, in a few words each.
    `digests`: batch digest by step, where the trace has one. `words`: likewise the digests of the parameters' words.
    `lines`: those with optional channels or, when asked for, all.
    `truncated`: the file ended in the middle of a line. `sha256`: of the uncompressed bytes, when asked for.

    Shapes: epoch, loss, lr, numbers (steps,). Units: loss in nats.
    """

    path: str
    header: TraceHeader
    epoch: Ints
    loss: Floats
    lr: Floats
    digests: Mapping[int, str] = field(default_factory=dict)
    lines: Mapping[int, StepLine] = field(default_factory=dict)
    truncated: bool = False
    sha256: str | None = None
    words: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    numbers: Ints | None = None
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return len(self.loss)

    @cached_property
    def step(self) -> Ints:
        """The number of the step in each row, ascending. Shapes: (steps,)."""
        if self.numbers is not None:
            return self.numbers
        return StepNumbers(self.header.parts).of_rows(np.arange(self.steps))

    @property
    def last_step(self) -> int:
        """The number of the last step; 0 of none."""
        return int(self.step[-1]) if self.steps else 0

    @property
    def begins(self) -> Ints:
        """The first of the steps that the loss of each row is the mean of, mostly its own. Shapes: (steps,)."""
        if not self.header.averaged:
            return self.step
        return np.append(1, self.step[:-1] + 1)[: self.steps]

    def rows(self, steps: Sequence[int] | Ints) -> Ints:
        """The rows of steps that it has. Shapes: the result (steps,)."""
        rows: Ints = np.searchsorted(self.step, steps)
        return rows


class TraceFile:
    """Writes a trace line by line, so that a killed run leaves every finished step readable.

    It writes under the name it is given; whoever runs the cell renames the file when the run is complete.
    """

    def __init__(self, path: str | Path, header: TraceHeader) -> None:
        self._encoder = msgspec.json.Encoder()
        self._numbers = itertools.chain.from_iterable(part.steps for part in header.parts)
        self._expected, self._last_step = next(self._numbers, 0), 0
        try:
            self._file = open_alone(Path(path))
        except BlockingIOError:
            raise TraceError(f"{path}: another writer has this trace open. Close it, or give another path.") from None
        try:
            self._write(header)
        except BaseException:  # an interruption as well: the lock goes with the file
            self._file.close()
            raise

    def write_step(
        self,
        step: int,
        epoch: int,
        loss: float,
        lr: float,
        *,
        grad_norm: float | None = None,
        param_norm: float | None = None,
        update_norm: float | None = None,
        grad_norms: Mapping[str, float] | None = None,
        param_norms: Mapping[str, float] | None = None,
        update_norms: Mapping[str, float] | None = None,
        grad_projections: Mapping[str, float] | None = None,
        update_projections: Mapping[str, float] | None = None,
        stat_norms: Mapping[str, float] | None = None,
        param_words: Mapping[str, str] | None = None,
        batch_sha256: str | None = None,
        wall_ms: float | None = None,
    ) -> None:
        """Append one step and hand it to the operating system. Raises TraceError when steps are not consecutive."""
        if self._file.closed:
            raise TraceError(f"{self._file.name}: the trace is closed; step {step} is not written.")
        if step != self._expected:
            raise TraceError(f"{self._file.name}: {out_of_order(step, self._last_step, self._expected)}")
        self._expected, self._last_step = next(self._numbers, 0), step
        line = StepLine(
            kind="step",
            step=step,
            epoch=epoch,
            loss=to_number(loss),
            lr=to_number(lr),
            grad_norm=_number_or_none(grad_norm),
            param_norm=_number_or_none(param_norm),
            update_norm=_number_or_none(update_norm),
            grad_norms=_numbers_or_none(grad_norms),
            param_norms=_numbers_or_none(param_norms),
            update_norms=_numbers_or_none(update_norms),
            grad_projections=_numbers_or_none(grad_projections),
            update_projections=_numbers_or_none(update_projections),
            stat_norms=_numbers_or_none(stat_norms),
            param_words=None if param_words is None else dict(param_words),
            batch_sha256=batch_sha256,
            wall_ms=wall_ms,
        )
        self._write(line)

    def close(self) -> None:
        """Flush to the disk and close."""
        if not self._file.closed:
            with self._file:
                if Path(self._file.name).is_file():  # a device cannot be flushed
                    os.fsync(self._file.fileno())
                release(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, line: TraceHeader | StepLine) -> None:
        text = self._encoder.encode(line) + b"\n"
        if self._file.write(text) != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)


def to_number(value: float) -> Number:
    """A float as a trace holds it: JSON has no NaN and no infinities, so those are strings."""
    value = float(value)  # a float32 is widened, which keeps it exactly
    if value - value == 0.0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _number_or_none(value: float | None) -> Number | None:
    return None if value is None else to_number(value)


def _numbers_or_none(values: Mapping[str, float] | None) -> dict[str, Number] | None:
    return None if values is None else {name: to_number(x) for name, x in values.items()}


def out_of_order(step: int, last: int, expected: int) -> str:
    """Message for a step that does not follow the last one (0: there was none). `expected`: 0 for none."""
    if expected != last + 1:
        return f"step {step} follows step {last}; run_steps has {expected or 'no other'} there."
    if last == 0:
        return f"the first step is {step}; steps start at 1."
    return f"step {step} follows step {last}; steps must be consecutive."


def one_line(text: object) -> str:
    """Any text as at most 200 printable characters on one line."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
    return shown if len(shown) <= 200 else shown[:197] + "..."
