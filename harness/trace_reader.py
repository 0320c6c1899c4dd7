"""Reads a trace and refuses everything that is not one. `traces/README.md` specifies the format."""

import hashlib
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import numpy as np

from harness.errors import TraceError
from harness.trace import ConfigTypes, Floats, Ints, StepLine, Trace, TraceHeader, one_line, out_of_order

LONGEST_LINE = 1 << 20  # bytes; the norms of every parameter of the largest network take a twentieth of it
_BLOCK = 1 << 16  # bytes read at once: the lines and what is decoded from them stay in the processor's cache


def read_trace(
    path: str | Path, *, allow_truncated: bool = False, with_lines: bool = False, with_digest: bool = False
) -> Trace:
    """Read and check a whole trace, `.jsonl` or `.jsonl.gz`.

    `allow_truncated`: the prefix of a killed run is fine, an unfinished last line is left out.
    `with_lines`: keep the steps that carry optional channels. `with_digest`: compute `sha256`.

    Raises: TraceError `file:line: what`.
    """
    reader = _Reader(str(path), allow_truncated, with_lines)
    digest = hashlib.sha256() if with_digest else None
    try:
        with _open(path) as stream:
            for text in iter(lambda: stream.read(_BLOCK), b""):
                if digest is not None:
                    digest.update(text)
                reader.feed(text)
    except IsADirectoryError:
        raise TraceError(f"{reader.place(1)}: a directory; expected a trace file.") from None
    except (OSError, EOFError, zlib.error) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TraceError(f"{reader.place()}: cannot be read: {one_line(what)}.") from None
    return reader.finish(digest.hexdigest() if digest is not None else None)


def _open(path: str | Path) -> BinaryIO:
    if str(path).endswith(".gz"):
        import gzip

        return cast(BinaryIO, gzip.open(path))
    return Path(path).open("rb", buffering=0)


class _Reader:
    """Turns blocks of bytes into checked columns. A batch of lines is checked as a whole; only when something is wrong
    with it are its lines looked at one by one, to say which line and what."""

    def __init__(self, path: str, allow_truncated: bool, with_lines: bool) -> None:
        self.path = path
        self.allow_truncated = allow_truncated
        self.with_lines = with_lines
        self.header: TraceHeader | None = None
        self.decode = msgspec.json.Decoder(StepLine).decode
        self.rest = b""
        self.steps = 0
        self.last_epoch = 0
        self.epoch: list[Ints] = []
        self.loss: list[Floats] = []
        self.lr: list[Floats] = []
        self.digests: dict[int, str] = {}
        self.lines: dict[int, StepLine] = {}

    def place(self, line: int | None = None) -> str:
        """`file:line`, by default the line after the last one read."""
        return f"{one_line(self.path)}:{line or self.steps + 1 + (self.header is not None)}"

    def feed(self, block: bytes) -> None:
        text = self.rest + block if self.rest else block
        lines = text.split(b"\n")
        self.rest = lines.pop()
        if lines and self.header is None:
            self.header = self._decode_header(lines.pop(0))
        if lines:
            self._add(lines, text.isascii())
        if len(self.rest) > LONGEST_LINE:
            raise TraceError(f"{self.place()}: the line is longer than {LONGEST_LINE} bytes.")

    def finish(self, sha256: str | None) -> Trace:
        if self.rest and self.header is None:
            self._decode_header(self.rest)  # says so when it is not even the beginning of a trace
        if self.rest and not (self.allow_truncated and self.header is not None):
            raise TraceError(f"{self.place()}: the last line has no end; the file is truncated.")
        if self.header is None:
            raise TraceError(f"{self.place()}: the file is empty; expected a header line.")
        return Trace(
            path=self.path,
            header=self.header,
            epoch=np.concatenate([np.empty(0, np.int64), *self.epoch]),
            loss=np.concatenate([np.empty(0, np.float64), *self.loss]),
            lr=np.concatenate([np.empty(0, np.float64), *self.lr]),
            digests=self.digests,
            lines=self.lines,
            truncated=bool(self.rest),
            sha256=sha256,
        )

    def _decode_header(self, line: bytes) -> TraceHeader:
        try:
            line.decode()
            header = msgspec.json.decode(line, type=TraceHeader)
            msgspec.convert(header.config, ConfigTypes)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.place(1)}: {_explain(error, line, 'header')}") from None
        return header

    def _add(self, lines: list[bytes], is_ascii: bool) -> None:
        try:
            if not is_ascii:
                b"\n".join(lines).decode()
            steps = list(map(self.decode, lines))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._explain_batch(lines)
            raise
        epoch = np.array([line.epoch for line in steps], np.int64)
        first = self.steps + 1
        in_order = [line.step for line in steps] == list(range(first, first + len(steps)))
        if not in_order or epoch[0] < self.last_epoch or (epoch[1:] < epoch[:-1]).any() or len(lines[0]) > LONGEST_LINE:
            self._explain_batch(lines)
        self.steps += len(steps)
        self.last_epoch = int(epoch[-1])
        self.epoch.append(epoch)
        # Non-finite values are strings here, which numpy reads; the decoder let no other string through.
        self.loss.append(np.array([line.loss for line in steps], np.float64))
        self.lr.append(np.array([line.lr for line in steps], np.float64))
        self.digests.update({line.step: line.batch_sha256 for line in steps if line.batch_sha256 is not None})
        if self.with_lines:
            self.lines.update({line.step: line for line in steps if has_channels(line)})

    def _explain_batch(self, lines: list[bytes]) -> None:
        """Raise the TraceError of the first bad line."""
        last_step, last_epoch = self.steps, self.last_epoch
        for number, text in enumerate(lines, self.steps + 2):
            where = self.place(number)
            if len(text) > LONGEST_LINE:
                raise TraceError(f"{where}: the line is longer than {LONGEST_LINE} bytes.")
            try:
                text.decode()
                line = self.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise TraceError(f"{where}: {_explain(error, text, 'step')}") from None
            if line.step != last_step + 1:
                raise TraceError(f"{where}: {out_of_order(line.step, last_step)}")
            if line.epoch < last_epoch:
                raise TraceError(f"{where}: epoch {line.epoch} follows epoch {last_epoch}; epochs never go back.")
            last_step, last_epoch = line.step, line.epoch


def has_channels(line: StepLine) -> bool:
    """Whether a step carries any optional channel but its wall time."""
    channels = (line.grad_norm, line.param_norm, line.grad_norms, line.param_norms, line.batch_sha256)
    return any(channel is not None for channel in channels)


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
