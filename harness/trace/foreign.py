"""Traces of programs that do not keep to the letter of the format, and say the same.

They may begin with a byte order mark, end without a newline, spread a JSON object over several lines, log only some of
their steps, count them from 0, repeat the header when a run is resumed, and have steps again that it took again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.trace.column_reader import ColumnReader, joined
from harness.trace.format import Ints, StepLine, Trace, TraceHeader
from harness.trace.spacing import ascending_runs, counts_epochs_from_one, resumed_notes, spacing_notes
from harness.trace.spelling import usual_step

BOM = b"\xef\xbb\xbf"
_LARGEST = 1 << 28  # bytes of objects that are spread over lines, which are held in memory


class _AnyStep(StepLine, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """A step of a program that may count from 0."""

    step: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class ForeignReader(ColumnReader):
    """Turns blocks of bytes into columns whose steps ascend, as a program of somebody else has left them."""

    def __init__(self, path: str, allow_truncated: bool, allow_parts: bool, with_lines: bool) -> None:
        super().__init__(path, allow_truncated, allow_parts, with_lines)
        self.begun = self.is_spread = False
        self.from_zero = False
        self.headers = 1
        self.number: list[Ints] = []
        self.resumed: list[tuple[int, int]] = []

    def feed(self, block: bytes) -> None:
        """As above, but what is spread over lines waits for its end."""
        if not self.begun:
            self.begun, block = True, block.removeprefix(BOM)
            self.is_spread = _is_spread(block)
        if not self.is_spread:
            super().feed(block)
            return
        self.rest += block
        if len(self.rest) > _LARGEST:
            raise TraceError(f"{self.place(1)}: not JSON: no object ends on its first line.")

    def finish(self, sha256: str | None) -> Trace:
        """The trace, whose last line may lack its end."""
        if self.is_spread:
            self._read_spread()
        if self.rest.strip():
            whole, self.rest = self.rest, b""
            try:
                super().feed(whole + b"\n")
            except TraceError:
                self.rest = whole
        self.rest = self.rest.strip()
        trace = super().finish(sha256)
        numbers = joined(self.number, np.int64)
        notes = ["its steps count from 0"] * self.from_zero + resumed_notes(self.resumed) + spacing_notes(numbers)
        if counts_epochs_from_one(trace.epoch, numbers):
            notes.append("its epochs count from 1")
        notes += [f"its header is there {self.headers} times"] * (self.headers > 1)
        if self.from_zero:
            told = {number: msgspec.structs.asdict(line) | {"step": number} for number, line in trace.lines.items()}
            trace = replace(trace, lines={number: StepLine(**line) for number, line in told.items()})
        consecutive = np.array_equal(numbers, np.arange(1, len(numbers) + 1))
        return replace(trace, numbers=None if consecutive else numbers, notes=tuple(notes))

    def _read_spread(self) -> None:
        text, self.rest, self.is_spread = self.rest, b"", False
        try:
            values = list(_values(text.decode()))
        except (ValueError, RecursionError):
            super().feed(text)  # which says what is wrong with its first line
            return
        for value in values:
            super().feed(json.dumps(value).encode() + b"\n")

    def _add(self, text: bytes) -> None:
        begin, steps = self.lines_read + 1, self._decode_at_once(text)
        places: Sequence[int] = range(begin, begin + len(steps or ()))
        if steps is None:
            lines = list(enumerate(text.split(b"\n")[:-1], begin))
            lines = [line for line in lines if not self._is_passed_over(*line)]
            steps, places = [self._decode_line(*line) for line in lines], [place for place, _ in lines]
        self.lines_read += text.count(b"\n")
        if not steps:
            return
        number = np.fromiter([line.step for line in steps], np.int64, len(steps))
        epoch = np.fromiter([line.epoch for line in steps], np.int64, len(steps))
        number = number + self.from_zero
        for run in ascending_runs(number):
            if number[run.start] <= self.last_step:
                self._forget_from(int(number[run.start]))
            self._check_epochs(number[run], epoch[run], places[run])
            self.number.append(number[run])
            self._append(steps[run], number[run], epoch[run])

    def _decode_line(self, number: int, line: bytes) -> StepLine:
        try:
            return super()._decode_line(number, line)
        except TraceError:
            is_first = self.steps == 0 and number == self.lines_read + 1
            if not (is_first and isinstance(step := usual_step(line), dict) and step.get("step") == 0):
                raise
        self.from_zero, self.decoder = True, msgspec.json.Decoder(_AnyStep)
        return super()._decode_line(number, line)

    def _is_passed_over(self, number: int, line: bytes) -> bool:
        """Whether a line is empty, or the header again. Raises: TraceError for a header of another run."""
        if not line.strip():
            return True
        try:
            again = msgspec.json.decode(line, type=TraceHeader)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if again != self.header:
            raise TraceError(f"{self.place(number)}: the header of another run; a file holds one run.")
        self.headers += 1
        return True

    def _check_epochs(self, number: Ints, epoch: Ints, places: Sequence[int]) -> None:
        before = np.append(self.last_epoch, epoch[:-1])
        if (epoch < before).any():
            at = int(np.argmax(epoch < before))
            line = f"epoch {epoch[at]} of step {number[at]} follows epoch {before[at]}; epochs never go back."
            raise TraceError(f"{self.place(places[at])}: {line}")

    def _forget_from(self, step: int) -> None:
        """Leave out the steps that a resumed run takes again."""
        numbers = joined(self.number, np.int64)
        kept = int(np.searchsorted(numbers, step))
        self.resumed.append((step, len(numbers) - kept))
        self.number = [numbers[:kept]]
        self.epoch = [joined(self.epoch, np.int64)[:kept]]
        self.loss, self.lr = ([joined(column, np.float64)[:kept]] for column in (self.loss, self.lr))
        for of_step in (self.digests, self.words, self.lines):
            for number in [number for number in of_step if number >= step]:
                del of_step[number]
        self.steps = kept
        self.last_step, self.last_epoch = (int(self.number[0][-1]), int(self.epoch[0][-1])) if kept else (0, 0)


def _is_spread(block: bytes) -> bool:
    """Whether a file begins with a list, or with an object that does not end on its first line."""
    first, newline, _ = block.partition(b"\n")
    if not newline or not first.strip():
        return first.lstrip().startswith(b"[")
    try:
        return not isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return True


def _values(text: str) -> Iterator[object]:
    """The JSON values of a text, one after another, those of a list one by one. Raises: ValueError, RecursionError."""
    decoder, text = json.JSONDecoder(), text.strip()
    place = 0
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield from value if isinstance(value, list) else (value,)
        while place < len(text) and text[place].isspace():
            place += 1
