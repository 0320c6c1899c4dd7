"""Turns the bytes of a trace into checked columns. `traces/README.md` specifies the format."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from harness.errors import TraceError
from harness.trace.format import (
    BY_NAME,
    WHOLE_NORMS,
    ConfigTypes,
    Floats,
    Ints,
    StepLine,
    Trace,
    TraceHeader,
    one_line,
    out_of_order,
)
from harness.trace.parts import WHOLE, StepNumbers
from harness.trace.spelling import usual_step

LONGEST_LINE = 1 << 20  # bytes; all channels of the largest network take a tenth of it
_NEWLINE, _OPEN, _CLOSE = b"\n{}"
_DEEPEST = 64  # levels of a header's values


class ColumnReader:
    """Turns blocks of bytes into checked columns.

    The lines of a block are decoded and checked together, and one by one only when something may be wrong.
    """

    def __init__(self, path: str, allow_truncated: bool, allow_parts: bool, with_lines: bool) -> None:
        self.path = path
        self.allow_truncated = allow_truncated
        self.allow_parts = allow_parts
        self.with_lines = with_lines
        self.header: TraceHeader | None = None
        self.decoder = msgspec.json.Decoder(StepLine)
        self.rest = b""
        self.parts = StepNumbers(WHOLE)
        self.lines_read = 0
        self.steps = 0
        self.last_step = 0
        self.last_epoch = 0
        self.epoch: list[Ints] = []
        self.loss: list[Floats] = []
        self.lr: list[Floats] = []
        self.digests: dict[int, str] = {}
        self.words: dict[int, dict[str, str]] = {}
        self.lines: dict[int, StepLine] = {}

    def place(self, line: int | None = None) -> str:
        """`file:line`, by default the line after the last one read."""
        return f"{one_line(self.path)}:{line or self.lines_read + 1}"

    def feed(self, block: bytes) -> None:
        text = self.rest + block if self.rest else block
        cut = text.rfind(b"\n") + 1
        text, self.rest = text[:cut], text[cut:]
        if text and self.header is None:
            line, _, text = text.partition(b"\n")
            self.header = self._decode_header(line)
            self.lines_read = 1
        if text:
            self._add(text)
        if len(self.rest) > LONGEST_LINE:
            raise TraceError(f"{self.place()}: the line is longer than {LONGEST_LINE} bytes.")

    def finish(self, sha256: str | None) -> Trace:
        if self.rest and self.header is None:
            self._decode_header(self.rest)  # says so when it is not even the beginning of a trace
        if self.rest and not (self.allow_truncated and self.header is not None):
            raise TraceError(
                f"{self.place()}: the last line has no end; the file is truncated. Run it again, or remove that line."
            )
        if self.header is None:
            raise TraceError(f"{self.place()}: the file is empty; expected a header line.")
        return Trace(
            path=self.path,
            header=self.header,
            epoch=joined(self.epoch, np.int64),
            loss=joined(self.loss, np.float64),
            lr=joined(self.lr, np.float64),
            digests=self.digests,
            words=self.words,
            lines=self.lines,
            truncated=bool(self.rest),
            sha256=sha256,
        )

    def _decode_header(self, line: bytes) -> TraceHeader:
        try:
            line.decode()
            header = msgspec.json.decode(line, type=TraceHeader)
            msgspec.convert(header.config, ConfigTypes)
            _check_depth(header.config)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.place(1)}: {_explain(error, line, 'header')}") from None
        if header.run_steps is not None and not self.allow_parts:
            raise TraceError(
                f"{self.place(1)}: a trace of parts of a run (run_steps {one_line(header.run_steps)[:40]}), which are "
                "evidence for the whole one; expected a whole run."
            )
        self.parts = StepNumbers(header.parts)
        return header

    def _add(self, text: bytes) -> None:
        steps = self._decode_at_once(text)
        if steps is None:
            steps = self._decode_one_by_one(text)
        count = len(steps)
        number = np.fromiter([line.step for line in steps], np.int64, count)
        epoch = np.fromiter([line.epoch for line in steps], np.int64, count)
        in_order = (number == self.parts.of_rows(np.arange(self.steps, self.steps + count))).all()
        if not in_order or epoch[0] < self.last_epoch or (epoch[1:] < epoch[:-1]).any():
            self._decode_one_by_one(text)
            raise AssertionError("lines that are out of order together are in order one by one")
        self.lines_read += count
        self._append(steps, number, epoch)

    def _append(self, steps: Sequence[StepLine], number: Ints, epoch: Ints) -> None:
        """Add steps in their order to the columns. Shapes: number, epoch (steps,)."""
        count = len(steps)
        self.steps += count
        self.last_step = int(number[-1])
        self.last_epoch = int(epoch[-1])
        self.epoch.append(epoch)
        # Non-finite values are strings here, which numpy reads; the decoder let no other string through.
        self.loss.append(np.fromiter([line.loss for line in steps], np.float64, count))
        self.lr.append(np.fromiter([line.lr for line in steps], np.float64, count))
        numbered = list(zip(number.tolist(), steps, strict=True))
        self.digests.update({step: line.batch_sha256 for step, line in numbered if line.batch_sha256 is not None})
        self.words.update({step: line.param_words for step, line in numbered if line.param_words is not None})
        self.lines.update({step: line for step, line in numbered if self.with_lines or has_channels(line)})

    def _decode_at_once(self, text: bytes) -> list[StepLine] | None:
        """The steps of whole lines, or None when something may be wrong with one of them.

        The decoder takes any white space between objects. That there is exactly one object a line follows from their
        number and from every line end having "}" before and "{" behind it, which within an object cannot be.
        """
        try:
            if not text.isascii():
                text.decode()
            steps = self.decoder.decode_lines(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        characters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(characters == _NEWLINE)
        if len(ends) != len(steps) or ends[0] > LONGEST_LINE:
            return None
        before, behind = characters[ends - 1], characters[ends[:-1] + 1]
        return steps if (before == _CLOSE).all() and (behind == _OPEN).all() else None

    def _decode_line(self, number: int, line: bytes) -> StepLine:
        """The step of a line, also of one that spells its numbers otherwise. Raises: TraceError."""
        if len(line) > LONGEST_LINE:
            raise TraceError(f"{self.place(number)}: the line is longer than {LONGEST_LINE} bytes.")
        try:
            line.decode()
            try:
                return self.decoder.decode(line)
            except msgspec.MsgspecError:
                if (step := usual_step(line)) is None:
                    raise
                return msgspec.convert(step, self.decoder.type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.place(number)}: {_explain(error, line, 'step')}") from None

    def _decode_one_by_one(self, text: bytes) -> list[StepLine]:
        """The steps of whole lines. Raises the TraceError of the first bad line, also of one out of order."""
        steps = []
        last_step, last_epoch = self.last_step, self.last_epoch
        for number, line in enumerate(text.split(b"\n")[:-1], self.lines_read + 1):
            where, step = self.place(number), self._decode_line(number, line)
            expected = int(self.parts.of_rows(np.array([number - 2]))[0])
            if step.step != expected:
                raise TraceError(f"{where}: {out_of_order(step.step, last_step, expected)}")
            if step.epoch < last_epoch:
                raise TraceError(f"{where}: epoch {step.epoch} follows epoch {last_epoch}; epochs never go back.")
            last_step, last_epoch = step.step, step.epoch
            steps.append(step)
        return steps


def joined(parts: Sequence[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    """The parts of a column as one. Shapes: (n,) each."""
    return np.concatenate([np.empty(0, dtype), *parts])


def has_channels(line: StepLine) -> bool:
    """True if a step carries any optional channel but its wall time."""
    return any(getattr(line, channel) is not None for channel in (*WHOLE_NORMS, *BY_NAME, "batch_sha256"))


def _check_depth(value: object, levels: int = _DEEPEST) -> None:
    if levels == 0:
        raise RecursionError
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(inner, levels - 1)


def _explain(error: Exception, line: bytes, kind: str) -> str:
    if not line.strip():
        return f"an empty line; expected a {kind}."
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start + 1} of the line); expected a {kind} as JSON."
    if isinstance(error, RecursionError):
        return f"nested too deeply; expected a {kind} as JSON."
    if isinstance(error, msgspec.ValidationError):
        return f"not a {kind}: {one_line(error)}."
    return f"not JSON: {one_line(error)}."
