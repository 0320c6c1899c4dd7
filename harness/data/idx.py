"""The IDX format of MNIST: a big-endian header (magic, counts), then the bytes, and nothing after them.

Source: specs/README.md, "Data".
"""

import math
import struct

import numpy as np
import numpy.typing as npt

from harness.errors import DataError

Bytes = npt.NDArray[np.uint8]
Content = bytes | memoryview

IMAGES_MAGIC = 2051  # unsigned bytes, three dimensions
COLOUR_MAGIC = 2052  # unsigned bytes, four dimensions
LABELS_MAGIC = 2049  # unsigned bytes, one dimension
_GZIP_MAGIC = b"\x1f\x8b"


def parse_images(data: Content, where: str) -> Bytes:
    """Images of a file's bytes; `where` names the file in errors.

    Shapes: (N, 1, rows, columns).
    Raises: DataError.
    """
    count, rows, columns = _header(data, where, IMAGES_MAGIC, "images")
    _check_length(data, where, 16, (count, rows, columns), f"{count} images of {rows}x{columns}")
    return np.frombuffer(data, np.uint8, offset=16).reshape(count, 1, rows, columns)


def parse_colour_images(data: Content, where: str) -> Bytes:
    """As `parse_images`, from a file with an axis for channels.

    Shapes: (N, channels, rows, columns).
    Raises: DataError.
    """
    shape = _header(data, where, COLOUR_MAGIC, "colour images")
    _check_length(data, where, 20, shape, f"{shape[0]} images of {'x'.join(map(str, shape[1:]))}")
    return np.frombuffer(data, np.uint8, offset=20).reshape(shape)


def parse_labels(data: Content, where: str) -> Bytes:
    """Labels of a file's bytes; `where` names the file in errors.

    Shapes: (N,).
    Raises: DataError.
    """
    (count,) = _header(data, where, LABELS_MAGIC, "labels")
    _check_length(data, where, 8, (count,), f"{count} labels")
    return np.frombuffer(data, np.uint8, offset=8)


def images_header(count: int, rows: int, columns: int) -> bytes:
    """The 16 bytes before the pixels."""
    return struct.pack(">4I", IMAGES_MAGIC, count, rows, columns)


def colour_images_header(count: int, channels: int, rows: int, columns: int) -> bytes:
    """The 20 bytes before the pixels."""
    return struct.pack(">5I", COLOUR_MAGIC, count, channels, rows, columns)


def labels_header(count: int) -> bytes:
    """The 8 bytes before the labels."""
    return struct.pack(">2I", LABELS_MAGIC, count)


_FETCH = "Fetch it again: `harness data fetch mnist`."


def _header(data: Content, where: str, magic: int, what: str) -> tuple[int, ...]:
    """The counts after the magic number, whose last byte is how many there are."""
    if bytes(data[:2]) == _GZIP_MAGIC:
        raise DataError(f"{where}: the file is still compressed. Unpack it with `gunzip`.")
    words = 1 + (magic & 0xFF)
    if len(data) < 4 * words:
        raise DataError(f"{where}: {len(data)} bytes are too few for the {4 * words} of an IDX header. {_FETCH}")
    found, *counts = struct.unpack_from(f">{words}I", data)
    if found != magic:
        hint = " It is the other kind of file." if found in (IMAGES_MAGIC, COLOUR_MAGIC, LABELS_MAGIC) else ""
        raise DataError(f"{where}: magic number {found}; expected {magic} for {what}.{hint} Replace the file.")
    if 0 in counts:
        raise DataError(f"{where}: the header announces {' x '.join(map(str, counts))} values; expected at least one.")
    return tuple(counts)


def _check_length(data: Content, where: str, offset: int, counts: tuple[int, ...], content: str) -> None:
    expected = offset + math.prod(counts)
    if len(data) != expected:
        excess = len(data) - expected
        trouble = f"{excess} trailing bytes" if excess > 0 else f"{-excess} bytes missing"
        raise DataError(
            f"{where}: {len(data)} bytes, but its header announces {content} ({expected} bytes): {trouble}. {_FETCH}"
        )
