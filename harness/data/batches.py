"""Batches: the images of each step, their arrays, and the digest of those.

Source: specs/README.md, "Data".
"""

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data import Normalisation
from harness.data.idx import Bytes
from harness.errors import DataError

Indices = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Pixels = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]

_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407
_SCRAMBLE = 0x5DEECE66D
_FIRST_SEED = 42


def steps_per_epoch(examples: int, batch: int) -> int:
    """Whole batches in an epoch; what is left over is not used.

    Raises: DataError when there is not even one.
    """
    if batch < 1 or examples < batch:
        raise DataError(
            f"{examples} training images do not make one batch of {batch}. Use more images or smaller batches."
        )
    return examples // batch


class BatchOrder:
    """The examples of each step: contiguous slices of the epoch's order.

    Without shuffling every epoch runs in file order. With it, every epoch shuffles the order that the last one left.
    Asking in the order of training is cheap; going back to an earlier epoch starts again from the first.
    """

    def __init__(self, examples: int, batch: int, shuffle: bool) -> None:
        self.steps_per_epoch = steps_per_epoch(examples, batch)
        self._batch = batch
        self._shuffle = shuffle
        self._file_order = np.arange(examples, dtype=np.int64)
        self._order = self._file_order
        self._epochs_shuffled = 0

    def epoch_order(self, epoch: int) -> Indices:
        """The order of all examples in an epoch, counted from 0. Shapes: (examples,)."""
        if not self._shuffle:
            return self._file_order
        if self._epochs_shuffled > epoch + 1:
            self._order, self._epochs_shuffled = self._file_order, 0
        while self._epochs_shuffled <= epoch:
            self._order = shuffled(self._order, self._epochs_shuffled)
            self._epochs_shuffled += 1
        return self._order

    def batch_indices(self, step: int) -> Indices:
        """The examples of a step, counted from 1. Shapes: (batch,)."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        return self.epoch_order(epoch)[place * self._batch : (place + 1) * self._batch]


def shuffled(order: Indices, epoch: int) -> Indices:
    """A copy of `order` after one Fisher-Yates pass from the end, with the random numbers of that epoch."""
    if len(order) < 2:
        return order.copy()
    power, tail, bounds = _generator(len(order) - 1)
    state = power * np.uint64((epoch + _FIRST_SEED) ^ _SCRAMBLE) + tail
    partners = (state >> np.uint64(16)) % bounds
    places = order.tolist()
    for i, j in zip(range(len(places) - 1, 0, -1), partners.tolist(), strict=True):
        places[i], places[j] = places[j], places[i]
    return np.array(places, np.int64)


@lru_cache(maxsize=2)
def _generator(draws: int) -> tuple[Words, Words, Words]:
    """State k of the congruential generator is power[k] x0 + tail[k] modulo 2^64; draw k is taken modulo bounds[k]."""
    power: Words = np.cumprod(np.full(draws, _MULTIPLIER, np.uint64), dtype=np.uint64)
    tail: Words = np.cumsum(np.concatenate([np.ones(1, np.uint64), power[:-1]]), dtype=np.uint64)
    tail *= np.uint64(_INCREMENT)
    bounds: Words = np.arange(draws + 1, 1, -1, dtype=np.uint64)
    return power, tail, bounds


def pixels(images: Bytes, dtype: str = "f32", normalisation: Normalisation | None = None) -> Pixels:
    """f32(byte) / f32(255), then normalised, all in f32; cells in f64 and wide ones are fed the same values widened.

    Shapes: as `images`, whose last axes are (C, H, W) where there is a normalisation.
    """
    values = np.divide(images, np.float32(255), dtype=np.float32)
    if normalisation is not None:
        values -= np.array(normalisation.mean, np.float32)[:, None, None]
        values /= np.array(normalisation.deviation, np.float32)[:, None, None]
    return values if dtype == "f32" else values.astype(np.float64)


def fed_labels(labels: Bytes) -> Labels:
    """Labels as they are fed. Shapes: as `labels`."""
    return labels.astype(np.int32)


def batch_sha256(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> str:
    """SHA-256 of the pixels as fed (in the cell's dtype, row-major), then the labels as int32; all little-endian."""
    digest = hashlib.sha256(_little_endian(images, images.dtype))
    digest.update(_little_endian(labels, np.dtype(np.int32)))
    return digest.hexdigest()


def _little_endian(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    return np.ascontiguousarray(values, dtype.newbyteorder("<")).tobytes()
