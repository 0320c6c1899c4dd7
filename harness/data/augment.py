"""Random crops and mirror images of training batches, the same in every program.

Source: specs/README.md, "Data", Augmentation.
"""

import numpy as np
import numpy.typing as npt

from harness.data.batches import Indices
from harness.data.idx import Bytes

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB))


def augment(images: Bytes, examples: Indices, epoch: int) -> Bytes:
    """A crop of each image after padding it with zeros, every second one on average mirrored.

    Shapes: images (N, C, H, W), examples (N,): which images of the training set these are.
    """
    height, width = images.shape[2:]
    words = _words(examples, epoch)
    n = np.arange(len(images))[:, None, None, None]
    channel = np.arange(images.shape[1])[:, None, None]
    row = np.arange(height) + _shift(words, 0, height // 8)[:, None]
    column = np.arange(width) + _shift(words, 16, width // 8)[:, None]
    column = np.where((words >> np.uint64(32) & np.uint64(1)).astype(bool)[:, None], column[:, ::-1], column)
    inside = ((row >= 0) & (row < height))[:, None, :, None] & ((column >= 0) & (column < width))[:, None, None, :]
    row, column = row.clip(0, height - 1)[:, None, :, None], column.clip(0, width - 1)[:, None, None, :]
    return np.where(inside, images[n, channel, row, column], np.uint8(0))


def _words(examples: Indices, epoch: int) -> npt.NDArray[np.uint64]:
    """SplitMix64 from seed 0: word number epoch 2^32 + example."""
    word = (np.uint64(epoch << 32) + examples.astype(np.uint64) + np.uint64(1)) * _WEYL
    for shift, factor in _MIX:
        word = (word ^ (word >> shift)) * factor
    return word ^ (word >> np.uint64(31))


def _shift(words: npt.NDArray[np.uint64], bit: int, most: int) -> Indices:
    """Shift of an image along an axis, from -most to most, by 16 bits of its word."""
    field = words >> np.uint64(bit) & np.uint64(0xFFFF)
    return (field % np.uint64(2 * most + 1)).astype(np.int64) - most
