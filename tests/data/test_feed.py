"""Input of a network: the rows of a step, enlarged, moved and normalised in that order, one batch at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data import CIFAR10, TASKS
from harness.data.augment import augment
from harness.data.batches import BatchOrder, pixels
from harness.data.dataset import DataSet, read_data, read_folder
from harness.data.feed import BatchFeed
from harness.data.synthetic import write_synthetic
from harness.data.upsample import upsample
from harness.errors import DataError

SHAPE = (3, 48, 48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar")
    write_synthetic(folder, [file.name for file in CIFAR10.files], train=23, test=9)
    return folder


@pytest.fixture
def data(folder: Path) -> DataSet:
    return read_data(folder, "imagenette", SHAPE)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("augmented", [False, True])
def test_training_batches_are_enlarged_moved_and_normalised_in_order(
    data: DataSet, dtype: str, augmented: bool
) -> None:
    feed = BatchFeed(data, "imagenette", SHAPE, dtype, 5, augmented=augmented, shuffle=True)
    assert feed.steps_per_epoch == 4
    for step in (1, 4, 5, 11):
        rows = BatchOrder(23, 5, shuffle=True).batch_indices(step)
        expected = upsample(data.train_images[rows], 48)
        if augmented:
            expected = augment(expected, rows, (step - 1) // 4)
        x, y = feed.training(step)
        assert x.shape == (5, *SHAPE) and x.dtype == {"f32": np.float32, "f64": np.float64}[dtype]
        assert np.array_equal(x, pixels(expected, dtype, TASKS["imagenette"].normalisation))
        assert y.dtype == np.int32 and y.tolist() == data.train_labels[rows].tolist()


def test_test_images_are_never_moved(data: DataSet) -> None:
    plain, moving = (BatchFeed(data, "imagenette", SHAPE, "f32", 5, augmented=a, shuffle=False) for a in (False, True))
    rows = np.array([8, 0, 8])
    (x, y), (again, _) = plain.test(rows), moving.test(rows)
    assert np.array_equal(x, again) and np.array_equal(x[0], x[2])
    assert y.tolist() == data.test_labels[rows].tolist()


def test_pixels_are_normalised_with_one_rounding_a_step() -> None:
    """Every step in f32, one rounding each."""
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)
    fed = pixels(every, "f32", TASKS["imagenette"].normalisation)
    for channel, (mean, deviation) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        for byte in (0, 1, 100, 255):
            scaled = np.float32(byte / 255)
            expected = np.float32(np.float32(scaled - np.float32(mean)) / np.float32(deviation))
            assert fed[0, channel].ravel()[byte] == expected


def test_flat_inputs_and_impossible_ones(folder: Path, data: DataSet) -> None:
    plain = read_folder(folder, CIFAR10)
    x, _ = BatchFeed(plain, "cifar10", (3072,), "f32", 4, augmented=False, shuffle=False).training(1)
    assert x.shape == (4, 3072)
    assert np.array_equal(x[1], plain.train_images[1].ravel().astype(np.float32) / np.float32(255))
    with pytest.raises(DataError, match="23 training images do not make one batch of 24"):
        BatchFeed(data, "imagenette", SHAPE, "f32", 24, augmented=False, shuffle=False)


def test_a_large_set_is_not_converted_as_a_whole(data: DataSet) -> None:
    """Fifty thousand images of 224x224 would take 28 GB as floats; views of one image stand for them here."""
    many = replace(
        data,
        train_images=np.broadcast_to(data.train_images[:1], (50_000, 3, 32, 32)),
        train_labels=np.broadcast_to(data.train_labels[:1], (50_000,)),
        upsampled=224,
    )
    feed = BatchFeed(many, "imagenette", (3, 224, 224), "f32", 2, augmented=True, shuffle=False)
    assert feed.training(25_000)[0].shape == (2, 3, 224, 224)
