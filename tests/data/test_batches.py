"""Orders and batches against a slow reference, what is fed, and its digest."""

import hashlib
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.batches import BatchOrder, batch_sha256, fed_labels, pixels, shuffled, steps_per_epoch
from harness.errors import DataError

EXPECTED_EPOCH_0 = [9, 5, 1, 7, 3, 8, 6, 0, 2, 4]
EXPECTED_EPOCH_1 = [4, 8, 3, 2, 0, 5, 1, 7, 9, 6]


def reference_shuffle(order: list[int], epoch: int) -> list[int]:
    """One pass as it is specified, one draw after the other."""
    order = list(order)
    x = (epoch + 42) ^ 0x5DEECE66D
    for i in range(len(order) - 1, 0, -1):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        j = (x >> 16) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


@given(st.integers(0, 400), st.integers(0, 200))
def test_shuffle_equals_the_reference(n: int, epoch: int) -> None:
    order = np.arange(n, dtype=np.int64)
    assert shuffled(order, epoch).tolist() == reference_shuffle(list(range(n)), epoch)
    assert order.tolist() == list(range(n))


@settings(deadline=None)
@given(st.integers(2, 60), st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_shuffles_are_cumulative_in_whatever_order_they_are_asked_for(n: int, epochs: list[int]) -> None:
    expected = [reference_shuffle(list(range(n)), 0)]
    for epoch in range(1, 13):
        expected.append(reference_shuffle(expected[-1], epoch))
    batches = BatchOrder(n, 1, shuffle=True)
    for epoch in epochs:
        assert batches.epoch_order(epoch).tolist() == expected[epoch]


def test_the_shuffle_has_not_changed() -> None:
    """Values of the reference, kept so that a change of both would show."""
    assert reference_shuffle(list(range(10)), 0) == EXPECTED_EPOCH_0
    assert (
        BatchOrder(10, 3, shuffle=True).epoch_order(1).tolist()
        == reference_shuffle(EXPECTED_EPOCH_0, 1)
        == EXPECTED_EPOCH_1
    )


@given(st.integers(1, 50), st.integers(1, 300), st.integers(1, 200), st.booleans())
def test_batches_are_contiguous_slices_of_the_order(batch: int, more: int, step: int, shuffle: bool) -> None:
    examples = batch + more
    batches = BatchOrder(examples, batch, shuffle)
    per_epoch = examples // batch
    epoch, place = (step - 1) // per_epoch, (step - 1) % per_epoch
    expected = batches.epoch_order(epoch)[place * batch : place * batch + batch]
    assert batches.batch_indices(step).tolist() == expected.tolist()
    assert len(expected) == batch


def test_file_order_is_kept_without_shuffling() -> None:
    batches = BatchOrder(60_000, 128, shuffle=False)
    assert batches.steps_per_epoch == 468
    assert batches.batch_indices(1).tolist() == list(range(128))
    assert batches.batch_indices(468).tolist() == list(range(467 * 128, 468 * 128))
    assert batches.batch_indices(469).tolist() == list(range(128))  # the last 96 images are not used


@given(st.integers(1, 300), st.integers(0, 3))
def test_an_epoch_uses_every_example_once(n: int, epoch: int) -> None:
    assert sorted(BatchOrder(n, 1, shuffle=True).epoch_order(epoch).tolist()) == list(range(n))


def test_shuffling_mnist_is_fast() -> None:
    batches = BatchOrder(60_000, 128, shuffle=True)
    batches.epoch_order(0)
    started = time.monotonic()
    batches.epoch_order(1)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(("examples", "batch"), [(127, 128), (0, 1), (10, 0)])
def test_not_one_batch_is_an_error(examples: int, batch: int) -> None:
    with pytest.raises(DataError, match=f"^{examples} training images do not make one batch of {batch}"):
        steps_per_epoch(examples, batch)


def test_pixels_are_divided_in_f32_and_widened_for_f64() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    expected = [struct.unpack("<f", struct.pack("<f", byte / 255))[0] for byte in range(256)]
    narrow, wide = pixels(every), pixels(every, "f64")
    assert narrow.dtype == np.float32 and wide.dtype == np.float64
    assert narrow.shape == wide.shape == (4, 1, 8, 8)
    assert narrow.ravel().tolist() == wide.ravel().tolist() == expected
    assert wide.ravel().tolist() != [byte / 255 for byte in range(256)]


def test_the_digest_is_of_the_bytes_as_fed() -> None:
    images = pixels(np.array([[[[0, 51]]], [[[102, 255]]]], np.uint8))
    labels = fed_labels(np.array([3, 9], np.uint8))
    expected = hashlib.sha256(struct.pack("<4f", *images.ravel()) + struct.pack("<2i", 3, 9)).hexdigest()
    assert batch_sha256(images, labels) == expected
    assert batch_sha256(images.reshape(2, 2), labels) == expected  # flat and NCHW are the same bytes
    assert batch_sha256(images, labels.astype(np.uint8)) == expected
    assert batch_sha256(images.astype(">f4"), labels) == expected
    assert batch_sha256(np.asfortranarray(images.reshape(2, 2)), labels) == expected
    assert batch_sha256(images.astype(np.float64), labels) != expected


@given(st.integers(0, 3), st.integers(0, 3))
def test_the_digest_sees_labels_and_images(i: int, j: int) -> None:
    images, labels = pixels(np.arange(16, dtype=np.uint8).reshape(4, 1, 2, 2)), np.arange(4, dtype=np.int32)
    swap = np.arange(4)
    swap[[i, j]] = swap[[j, i]]
    same = i == j
    digest = batch_sha256(images, labels)
    assert (batch_sha256(images, labels[swap]) == digest) is same
    assert (batch_sha256(images[swap], labels) == digest) is same
