"""A stand-in for MNIST that needs no download: same files, same counts, same bytes on every machine.

Each class is a pen stroke; an image is its stroke moved, faded, mixed with a fainter stroke of another class and made
noisy. Everything is integer arithmetic on a counter-based generator, so image i depends on nothing but i.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.atomicfile import replace_file
from harness.data.idx import Bytes, images_header, labels_header
from harness.errors import DataError

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]

SIDE = 28
CLASSES = 10
TRAIN_COUNT, TEST_COUNT = 60_000, 10_000
_TEST_START = 1 << 24  # counter of the first test image, beyond any training image
_SHIFTS = 7  # places along each axis, -3 to 3
_CHUNK = 2_000
_PEN, _IMAGE, _NOISE = range(3)  # streams of the generator


def images(start: int, count: int) -> Iterator[bytes]:
    """The pixels of images start to start + count, row-major, in chunks."""
    strokes = _moved_strokes()
    for first in range(start, start + count, _CHUNK):
        n = min(_CHUNK, start + count - first)
        label, other, main, faint, gain, faint_gain = _choices(first, n)
        ink = strokes[label, main].astype(np.int32) * gain[:, None]
        ink += strokes[other, faint].astype(np.int32) * faint_gain[:, None]
        ink >>= 8
        noise = _words(_NOISE, first * SIDE * SIDE // 8, n * SIDE * SIDE // 8).astype("<u8").view(np.uint8)
        noise = noise.reshape(n, SIDE * SIDE)
        ink += (ink > 0) * (noise & 31)
        ink += (noise >= 250) * (50 + 50 * (noise & 3))
        yield np.minimum(ink, 255).astype(np.uint8).tobytes()


def labels(start: int, count: int) -> bytes:
    """The labels of images start to start + count."""
    return _choices(start, count)[0].astype(np.uint8).tobytes()


def file_chunks(name: str, train: int = TRAIN_COUNT, test: int = TEST_COUNT) -> Iterator[bytes]:
    """The content of one of the four files, in chunks.

    Raises: DataError for another name.
    """
    counts = {"train": (0, train), "t10k": (_TEST_START, test)}
    split, _, kind = name.partition("-")
    if split not in counts or kind not in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        raise DataError(f"the synthetic data set has no file '{name}'.")
    start, count = counts[split]
    if kind == "images-idx3-ubyte":
        yield images_header(count, SIDE, SIDE)
        yield from images(start, count)
    else:
        yield labels_header(count) + labels(start, count)


def write_synthetic(folder: Path, names: Iterable[str], train: int = TRAIN_COUNT, test: int = TEST_COUNT) -> None:
    """Write the files into a folder, which is made when absent. Smaller counts give a prefix of the images.

    Raises: DataError.
    """
    if not (1 <= train <= _TEST_START and 1 <= test <= _TEST_START):
        raise DataError(f"{train} training and {test} test images: expected 1 to {_TEST_START} of each.")
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


def _moved_strokes() -> Bytes:
    """Every class's stroke at every place. Shapes: (CLASSES, places, SIDE * SIDE)."""
    strokes = np.stack([_stroke(label) for label in range(CLASSES)])
    places = [
        np.roll(strokes, (down, right), axis=(1, 2)).reshape(CLASSES, -1)
        for down in range(-(_SHIFTS // 2), _SHIFTS // 2 + 1)
        for right in range(-(_SHIFTS // 2), _SHIFTS // 2 + 1)
    ]
    return np.stack(places, axis=1)


def _stroke(label: int) -> Bytes:
    """A pen of 2x2 pixels that wanders inside the middle 20x20 and turns now and then, then a 3x3 blur."""
    canvas = np.zeros((SIDE, SIDE), np.uint16)
    row = column = SIDE // 2
    heading = (0, 1)
    turns = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, 1), (1, -1), (1, 1), (-1, -1)]
    for word in _words(_PEN, 64 * label, 64).tolist():
        if word % 4 == 0:
            heading = turns[word // 4 % len(turns)]
        row = min(max(row + heading[0], 5), SIDE - 7)
        column = min(max(column + heading[1], 5), SIDE - 7)
        canvas[row : row + 2, column : column + 2] = 255
    blurred = sum(
        (np.roll(canvas, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)), start=canvas * 3
    )
    return (blurred // 12).astype(np.uint8)
