"""TensorBoard's event files, also those that `harness convert` writes, which tell all of a trace but its digests."""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.system.extras import extra
from harness.trace.format import BY_NAME, WHOLE_NORMS, Trace, to_number
from harness.trace.logs.file import LogFile
from harness.trace.logs.keys import LogKeys
from harness.trace.logs.log import trace_of
from harness.trace.logs.table import LogRow, LogTable, log_of
from harness.trace.logs.whole import whole_trace
from harness.trace.recording import EVENTS

_LENGTH, _CHECK = struct.Struct("<Q"), struct.Struct("<I")
_HEAD, _TAIL = _LENGTH.size + _CHECK.size, _CHECK.size
_VERSION = b"brain.Event:"
_HEADER = "header/text_summary"
_LARGEST = 1 << 16  # bytes of a record; larger ones hold pictures
_MASK = 0xA282EAD8


def is_events(source: LogFile) -> bool:
    """The first record of an event file tells its version."""
    content = source.content
    if len(content) < _HEAD:
        return False
    length = _LENGTH.unpack_from(content)[0]
    return length < 1 << 10 and _VERSION in content[_HEAD : _HEAD + length]


def event_files(folder: Path) -> list[Path]:
    """The event files of one run, in the order in which it was resumed."""
    return sorted(path for path in folder.glob(f"{EVENTS}*") if path.is_file())


def read_events(source: LogFile, keys: LogKeys, label: str) -> Trace:
    """The scalars of an event file by their steps. Raises: TraceError, PackageError."""
    with extra():
        from tensorboardX.crc32c import crc32c
        from tensorboardX.proto.event_pb2 import Event

    rows: list[tuple[int, str, float]] = []
    header = None
    for place, record in _records(source, crc32c):
        try:
            event = Event.FromString(record)
        except ValueError:  # what protobuf raises is one
            raise source.error(f"the record at byte {place} is no event of TensorBoard.") from None
        for value in event.summary.value:
            if value.tag == _HEADER and value.tensor.string_val:
                header = _header(value.tensor.string_val[0])
            elif (number := _scalar(value)) is not None:
                rows.append((event.step, value.tag, number))
    if header is not None:
        return whole_trace(source, header, [(None, step) for step in _steps(rows)], "written for TensorBoard")
    columns = list(dict.fromkeys(tag for _, tag, _ in rows))
    table = LogTable(["step", *columns], [LogRow(None, {"step": step, tag: number}) for step, tag, number in rows])
    return trace_of(log_of(source, table, keys, label), source)


def _records(source: LogFile, crc32c: Any) -> Iterator[tuple[int, bytes]]:
    """The records of a file that may hold scalars, each with its place.

    The last one of a killed run may be cut off and is left out.
    """
    content, place = source.content, 0
    while place + _HEAD <= len(content):
        length = _LENGTH.unpack_from(content, place)[0]
        end = place + _HEAD + length + _TAIL
        if not _is_right(content[place : place + _LENGTH.size], content, place + _LENGTH.size, crc32c):
            raise source.error(f"the record at byte {place} is damaged.")
        if end > len(content):
            return
        record = content[place + _HEAD : end - _TAIL]
        if length <= _LARGEST:
            if not _is_right(record, content, end - _TAIL, crc32c):
                raise source.error(f"the record at byte {place} is damaged.")
            yield place, record
        place = end


def _is_right(record: bytes, content: bytes, place: int, crc32c: Any) -> bool:
    """Whether the masked check sum at a place is that of a record."""
    check = crc32c(record)
    masked = (((check >> 15) | (check << 17)) + _MASK) & 0xFFFFFFFF
    return bool(_CHECK.unpack_from(content, place)[0] == masked)


def _scalar(value: Any) -> float | None:
    """A scalar, as TensorBoard's first version or its second has it; None for anything else."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if not value.HasField("tensor"):
        return None
    tensor = value.tensor
    if len(tensor.float_val) == 1 or len(tensor.double_val) == 1:
        return float((*tensor.float_val, *tensor.double_val)[0])
    size, form = {1: (4, "<f"), 2: (8, "<d")}.get(tensor.dtype, (0, ""))
    if size and len(tensor.tensor_content) == size:
        return float(struct.unpack(form, tensor.tensor_content)[0])
    return None


def _header(text: bytes) -> dict[str, Any] | None:
    """The header of a trace, as a block of code; None for the text of somebody else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "header" else None


def _steps(rows: Sequence[tuple[int, str, float]]) -> list[dict[str, Any]]:
    """The steps of a trace, from its channels."""
    steps: dict[int, dict[str, Any]] = {}
    for number, tag, value in rows:
        channel, divided, tensor = tag.partition("/")
        step = steps.setdefault(number, {"step": number})
        if divided and channel in BY_NAME:
            step.setdefault(channel, {})[tensor] = to_number(value)
        elif tag in ("loss", "lr", "wall_ms", *WHOLE_NORMS):
            step[tag] = to_number(value)
        elif tag == "epoch":
            step[tag] = int(value)
    return [step for step in steps.values() if "loss" in step]
