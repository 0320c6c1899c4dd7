"""The stand-in: the same bytes everywhere, learnable, and never mistaken for MNIST."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from harness.data import CIFAR10, CIFAR10_SYNTHETIC, DATASETS, MNIST, MNIST_SYNTHETIC, RawFile
from harness.data.dataset import DataSet, read_folder
from harness.data.synthetic import file_chunks, write_synthetic
from harness.errors import DataError

NAMES = [file.name for file in MNIST_SYNTHETIC.files]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, NAMES, train=5003, test=1000)
    return read_folder(folder, MNIST_SYNTHETIC)


@pytest.mark.parametrize(
    "file",
    [*MNIST_SYNTHETIC.files, CIFAR10_SYNTHETIC.files[1], CIFAR10_SYNTHETIC.files[5]],
    ids=[*NAMES, "data_batch_2", "test_batch"],
)
def test_the_bytes_are_those_of_the_table(file: RawFile) -> None:
    digest, size = hashlib.sha256(), 0
    for chunk in file_chunks(file.name):
        digest.update(chunk)
        size += len(chunk)
    assert (size, digest.hexdigest()) == (file.size, file.sha256)


def test_the_files_are_named_and_sized_as_mnist_but_are_not_mnist() -> None:
    for real, synthetic in zip(MNIST.files, MNIST_SYNTHETIC.files, strict=True):
        assert (real.name, real.size) == (synthetic.name, synthetic.size)
        assert real.sha256 != synthetic.sha256
    assert DATASETS["mnist-synthetic"].name == "mnist-synthetic"


def test_smaller_sets_are_prefixes(small: DataSet, tmp_path: Path) -> None:
    write_synthetic(tmp_path, NAMES, train=10, test=7)
    few = read_folder(tmp_path, MNIST_SYNTHETIC)
    assert few.name == "mnist-synthetic-custom"
    assert np.array_equal(few.train_images, small.train_images[:10])
    assert np.array_equal(few.train_labels, small.train_labels[:10])
    assert np.array_equal(few.test_images, small.test_images[:7])
    assert np.array_equal(few.test_labels, small.test_labels[:7])


def test_in_colour_smaller_sets_are_prefixes_too(tmp_path: Path) -> None:
    names = [file.name for file in CIFAR10_SYNTHETIC.files]
    write_synthetic(tmp_path / "few", names, train=13, test=6)
    write_synthetic(tmp_path / "more", names, train=300, test=40)
    few, more = (read_folder(tmp_path / name, CIFAR10) for name in ("few", "more"))
    assert len(few.train_images) == 13 and few.name == "cifar10-custom"
    assert np.array_equal(few.train_images, more.train_images[:13])
    assert np.array_equal(few.train_labels, more.train_labels[:13])
    assert np.array_equal(few.test_images, more.test_images[:6])
    assert len(np.unique(more.train_images.reshape(300, -1), axis=0)) == 300
    assert 60 < more.train_images.mean() < 160 and more.train_images.std(axis=(2, 3)).min() > 5


def test_images_have_the_shape_and_the_blackness_of_mnist(small: DataSet) -> None:
    assert small.train_images.shape == (5003, 1, 28, 28)
    assert 0.5 < float(np.mean(small.train_images == 0)) < 0.9
    assert small.train_images.max() == 255
    assert np.bincount(small.train_labels, minlength=10).min() > 400
    assert len(np.unique(small.train_images.reshape(5003, -1), axis=0)) == 5003
    assert not np.array_equal(small.train_images[:1000], small.test_images)


def test_it_can_be_learnt_but_not_at_a_glance(small: DataSet) -> None:
    """Ridge regression on the pixels: far above the 10 % of guessing, below what a network reaches."""
    x = small.train_images.reshape(len(small.train_images), -1) / 255
    x = np.hstack([x, np.ones((len(x), 1))])
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ np.eye(10)[small.train_labels])
    t = small.test_images.reshape(len(small.test_images), -1) / 255
    guesses = (np.hstack([t, np.ones((len(t), 1))]) @ weights).argmax(axis=1)
    assert 0.6 < float(np.mean(guesses == small.test_labels)) < 0.99


@pytest.mark.parametrize(("train", "test"), [(0, 1), (1, 0), (2**25, 1), (-1, 1)])
def test_impossible_counts_are_refused_before_anything_is_written(train: int, test: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 1 to 16777216 of each kind"):
        write_synthetic(tmp_path / "new", NAMES, train, test)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "name",
    ["train-images", "data_batch_6.bin", "data_batch_1.png", "t10k-images-idx1-ubyte", "../train-images-idx3-ubyte"],
)
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="has no file"):
        list(file_chunks(name))


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written: [^\n]*$"):
        write_synthetic(tmp_path / "file", NAMES, 1, 1)


def test_what_lies_in_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    """Real data, and real data that a link leads to, stay what they are."""
    real = tmp_path / "real"
    real.write_bytes(b"real")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / NAMES[1]).symlink_to(real)
    with pytest.raises(DataError, match=f"{NAMES[1]} is there already, expected none of the files"):
        write_synthetic(folder, NAMES, train=3, test=1)
    assert real.read_bytes() == b"real"
    assert [path.name for path in folder.iterdir()] == [NAMES[1]]
