"""The strict reader: what it gives back, and one line for every way in which a file can be wrong."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.idx import images_header, labels_header, parse_images, parse_labels
from harness.errors import DataError

IMAGES = images_header(2, 2, 3) + bytes(range(12))
LABELS = labels_header(3) + bytes([7, 0, 9])


def test_bytes_are_read_row_by_row() -> None:
    images = parse_images(IMAGES, "f")
    assert images.shape == (2, 1, 2, 3) and images.dtype == np.uint8
    assert images[1].tolist() == [[[6, 7, 8], [9, 10, 11]]]
    assert parse_labels(LABELS, "f").tolist() == [7, 0, 9]


def test_the_header_is_big_endian() -> None:
    assert struct.pack("<4I", 2051, 2, 2, 3) != IMAGES[:16] == b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03"
    assert LABELS[:8] == b"\0\0\x08\x01\0\0\0\x03"


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.data())
def test_every_byte_comes_back(count: int, rows: int, columns: int, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=count * rows * columns, max_size=count * rows * columns))
    images = parse_images(images_header(count, rows, columns) + content, "f")
    assert images.shape == (count, 1, rows, columns) and images.tobytes() == content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "dir/f: 0 bytes are too few for the 16 of an IDX header. Fetch it again: `harness data fetch mnist`."),
        (
            IMAGES[:15],
            "dir/f: 15 bytes are too few for the 16 of an IDX header. Fetch it again: `harness data fetch mnist`.",
        ),
        (IMAGES[:-1], "announces 2 images of 2x3 (28 bytes): 1 bytes missing"),
        (IMAGES + b"xx", "announces 2 images of 2x3 (28 bytes): 2 trailing bytes"),
        (b"\x1f\x8b" + IMAGES, "still compressed. Unpack it with `gunzip`"),
        (LABELS + bytes(20), "magic number 2049; expected 2051 for images. It is the other kind of file"),
        (b"\xff" + IMAGES[1:], "expected 2051 for images. Replace the file."),
        (images_header(0, 28, 28), "announces 0 x 28 x 28 values; expected at least one"),
        (images_header(2**32 - 1, 2**32 - 1, 2**32 - 1), "bytes missing"),
    ],
)
def test_bad_images_are_refused_by_file_and_reason(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_images(data, "dir/f")
    assert str(caught.value).startswith("dir/f: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (LABELS[:7], "7 bytes are too few for the 8"),
        (LABELS[:-1], "announces 3 labels (11 bytes): 1 bytes missing"),
        (LABELS + b"x", "1 trailing bytes"),
        (IMAGES, "magic number 2051; expected 2049 for labels. It is the other kind"),
        (labels_header(0), "announces 0 values"),
    ],
)
def test_bad_labels_are_refused_by_file_and_reason(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_labels(data, "dir/f")
    assert str(caught.value).startswith("dir/f: ") and message in str(caught.value)


@given(st.binary(max_size=64))
def test_garbage_is_one_line_or_data(data: bytes) -> None:
    for parse in (parse_images, parse_labels):
        try:
            parse(data, "f")
        except DataError as error:
            assert "\n" not in str(error)
