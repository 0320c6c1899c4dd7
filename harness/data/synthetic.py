"""Stand-ins for MNIST and CIFAR-10 that need no download: same files, same counts, same bytes on every machine.

Each class is a pen stroke; an image is its stroke moved, faded, mixed with a fainter stroke of another class and made
noisy, in colour also tinted and put before a background. Everything is integer arithmetic on a counter-based generator,
so image i depends on nothing but i.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.data.cifar import batch_bytes
from harness.data.idx import Bytes, images_header, labels_header
from harness.errors import DataError
from harness.system.files import replace_file

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]

CLASSES = 10
_TEST_START = 1 << 24  # counter of the first test image, beyond any training image
_SHIFTS = 7  # places along each axis, -3 to 3
_CHUNK = 2_000
_PEN, _IMAGE, _NOISE, _TINT = range(4)  # streams of the generator


@dataclass(frozen=True)
class Picture:
    """Format of the images of a set."""

    channels: int
    side: int

    @property
    def pixels(self) -> int:
        """Bytes of one image."""
        return self.channels * self.side * self.side


GREY, COLOUR = Picture(1, 28), Picture(3, 32)


def images(picture: Picture, start: int, count: int) -> Iterator[Bytes]:
    """Images start to start + count in chunks. Shapes: (n, channels * side * side), row-major."""
    strokes = _moved_strokes(picture.side)
    for first in range(start, start + count, _CHUNK):
        n = min(_CHUNK, start + count - first)
        label, other, main, faint, gain, faint_gain = _choices(first, n)
        ink = strokes[label, main].astype(np.int32) * gain[:, None]
        ink += strokes[other, faint].astype(np.int32) * faint_gain[:, None]
        ink >>= 8
        if picture.channels > 1:
            ink = _coloured(ink, first, n, picture.channels)
        noise = _words(_NOISE, first * picture.pixels // 8, n * picture.pixels // 8).astype("<u8").view(np.uint8)
        noise = noise.reshape(n, picture.pixels)
        ink += (ink > 0) * (noise & 31)
        ink += (noise >= 250) * (50 + 50 * (noise & 3))
        yield np.minimum(ink, 255).astype(np.uint8)


def labels(start: int, count: int) -> Bytes:
    """The labels of images start to start + count."""
    return _choices(start, count)[0].astype(np.uint8)


def file_chunks(name: str, train: int | None = None, test: int | None = None) -> Iterator[bytes]:
    """The content of one file of MNIST or CIFAR-10, in chunks. The counts default to those of the real set.

    Raises: DataError for another name.
    """
    test = 10_000 if test is None else test
    idx = re.fullmatch(r"(train|t10k)-(images-idx3|labels-idx1)-ubyte", name)
    cifar = re.fullmatch(r"(?:data_batch_([1-5])|test_batch)\.bin", name)
    if idx is not None:
        start, count = (0, 60_000 if train is None else train) if idx[1] == "train" else (_TEST_START, test)
        if idx[2] == "images-idx3":
            yield images_header(count, GREY.side, GREY.side)
            yield from (chunk.tobytes() for chunk in images(GREY, start, count))
        else:
            yield labels_header(count) + labels(start, count).tobytes()
    elif cifar is not None:
        start, end = _TEST_START, _TEST_START + test
        if cifar[1] is not None:
            train, part = 50_000 if train is None else train, int(cifar[1])
            start, end = train * (part - 1) // 5, train * part // 5
        for chunk in images(COLOUR, start, end - start):
            yield batch_bytes(chunk, labels(start, len(chunk)))
            start += len(chunk)
    else:
        raise DataError(f"a synthetic data set has no file '{name}'.")


def write_synthetic(folder: Path, names: Sequence[str], train: int | None = None, test: int | None = None) -> None:
    """Write the files into a folder, which is made when absent. Smaller counts give a prefix of the images.

    Raises: DataError, also when a file is there already: it may be somebody's real data, and a link leads to them.
    """
    least = 5 if names[0].endswith(".bin") else 1  # CIFAR-10 divides its images among five files
    for count in (train, test):
        if count is not None and not least <= count <= _TEST_START:
            raise DataError(f"{count} synthetic images: expected {least} to {_TEST_START} of each kind.")
    for name in names:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise DataError(f"{folder}: {name} is there already, expected none of the files. Give another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            with replace_file(folder / name) as file:
                file.writelines(file_chunks(name, train, test))
    except OSError as error:
        raise DataError(f"{folder}: the synthetic data cannot be written: {error.strerror or error}.") from None


def _words(stream: int, start: int, count: int) -> Words:
    """Words start to start + count of a stream: SplitMix64's output function of a counter."""
    word = np.arange(start, start + count, dtype=np.uint64) + np.uint64((stream + 1) << 48)
    word *= np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = word ^ (word >> np.uint64(31))
    return mixed


def _choices(start: int, count: int) -> tuple[Numbers, ...]:
    """Label, other class, place of both, gain of both: one random word an image, cut into fields."""
    word = _words(_IMAGE, start, count)

    def field(shift: int, size: int) -> Numbers:
        return (word >> np.uint64(shift) & np.uint64(0xFF)).astype(np.int32) % size

    places = _SHIFTS * _SHIFTS
    label = field(0, CLASSES)
    other = (label + 1 + field(8, CLASSES - 1)) % CLASSES
    gain = 128 + field(32, 120)
    return label, other, field(16, places), field(24, places), gain, field(40, 256) * gain >> 9


def _coloured(ink: Numbers, start: int, count: int, channels: int) -> Numbers:
    """Each image's ink in a tint of its own, before a background of its own. Shapes: (count, channels * pixels)."""
    word = _words(_TINT, start, count)[:, None] >> np.arange(0, 16 * channels, 8, dtype=np.uint64)
    fields = (word & np.uint64(0xFF)).astype(np.int32)[:, :, None]
    tint, background = 128 + fields[:, :channels] // 2, fields[:, channels:] // 4
    return ((ink[:, None] * tint >> 8) + background).reshape(count, -1)


@lru_cache
def _moved_strokes(side: int) -> Bytes:
    """Every class's stroke at every place. Shapes: (CLASSES, places, side * side)."""
    strokes = np.stack([_stroke(label, side) for label in range(CLASSES)])
    places = [
        np.roll(strokes, (down, right), axis=(1, 2)).reshape(CLASSES, -1)
        for down in range(-(_SHIFTS // 2), _SHIFTS // 2 + 1)
        for right in range(-(_SHIFTS // 2), _SHIFTS // 2 + 1)
    ]
    return np.stack(places, axis=1)


def _stroke(label: int, side: int) -> Bytes:
    """A pen of 2x2 pixels that keeps 5 pixels off the edges and turns now and then, then a 3x3 blur."""
    canvas = np.zeros((side, side), np.uint16)
    row = column = side // 2
    heading = (0, 1)
    turns = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1), (1, -1), (1, 1), (-1, -1)]
    for word in _words(_PEN, 64 * label, 64).tolist():
        if word % 4 == 0:
            heading = turns[word // 4 % len(turns)]
        row = min(max(row + heading[0], 5), side - 7)
        column = min(max(column + heading[1], 5), side - 7)
        canvas[row : row + 2, column : column + 2] = 255
    blurred = sum(
        (np.roll(canvas, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)), start=canvas * 3
    )
    return (blurred // 12).astype(np.uint8)
