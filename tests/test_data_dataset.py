"""Which data set an argument means, what is refused about a folder, and real MNIST down to the first loss."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data import MNIST
from harness.data.batches import BatchOrder, fed_labels, pixels
from harness.data.dataset import DataSet, open_dataset, resolve_data
from harness.data.fetch import fetch
from harness.data.idx import images_header, labels_header
from harness.data.synthetic import write_synthetic
from harness.errors import DataError
from harness.initbin import draw

NAMES = [file.name for file in MNIST.files]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_synthetic(tmp_path / "own", NAMES, train=20, test=10)
    return tmp_path / "own"


@pytest.fixture(scope="module")
def mnist() -> DataSet:
    """Real MNIST from the user's cache, fetched if need be; where CI is true it has to be there."""
    try:
        return open_dataset("mnist")
    except DataError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def test_a_folder_of_ones_own(folder: Path) -> None:
    data = open_dataset(folder)
    assert data.name == "mnist-custom"
    assert data.train_images.shape == (20, 1, 28, 28) and data.test_images.shape == (10, 1, 28, 28)
    assert data.train_labels.shape == (20,) and data.test_labels.shape == (10,)
    assert data.train_images.tobytes() == (folder / TRAIN_IMAGES).read_bytes()[16:]
    assert data.test_labels.tobytes() == (folder / TEST_LABELS).read_bytes()[8:]
    choice = resolve_data(str(folder))
    assert (choice.folder, choice.name, choice.data_sha256) == (folder, "mnist-custom", data.data_sha256)


def test_the_digest_can_be_computed_by_hand(folder: Path) -> None:
    lines = [f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n" for name in NAMES]
    assert open_dataset(folder).data_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_digest_can_be_computed_without_python(folder: Path) -> None:
    listing = subprocess.run(["sha256sum", *NAMES], cwd=folder, capture_output=True, text=True, check=True).stdout
    lines = "".join(f"{name} {digest}\n" for digest, name in map(str.split, listing.splitlines()))
    assert open_dataset(folder).data_sha256 == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_digest_sees_every_file(name: str, folder: Path) -> None:
    before = open_dataset(folder).data_sha256
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    assert open_dataset(folder).data_sha256 != before


def test_a_relative_folder_becomes_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert resolve_data("own").folder == folder


def test_synthetic_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    choice = resolve_data("synthetic", progress=False)
    assert choice.name == "mnist-synthetic"
    assert choice.folder == tmp_path / "data" / "mnist-synthetic"
    data = open_dataset("mnist-synthetic")
    assert data.name == "mnist-synthetic" and data.data_sha256 == choice.data_sha256
    assert resolve_data(str(choice.folder)).name == "mnist-synthetic"

    monkeypatch.setattr("harness.data.fetch.sources_of", lambda _facts: ())
    with pytest.raises(DataError, match=r"mnist: no source delivered .* Use --data DIR .* or --data synthetic"):
        resolve_data(None, progress=False)
    assert not any((tmp_path / "data" / "mnist").iterdir())


def test_no_stand_in_for_an_unknown_data_set() -> None:
    with pytest.raises(DataError, match="unknown data set 'cifar99'"):
        resolve_data("synthetic", "cifar99")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_IMAGES, images_header(20, 27, 28) + bytes(20 * 27 * 28), "images of 1x27x28, expected 1x28x28"),
        (TEST_IMAGES, images_header(10, 32, 32) + bytes(10 * 1024), "images of 1x32x32, expected 1x28x28"),
        (TRAIN_LABELS, labels_header(19) + bytes(19), f"19 labels, but {TRAIN_IMAGES} has 20 images"),
        (TEST_LABELS, labels_header(10) + bytes(8) + b"\x0a\x01", "label 8 is 10, expected 0 to 9"),
        (TEST_LABELS, labels_header(10) + bytes(9), "1 bytes missing"),
        (TRAIN_LABELS, b"", "0 bytes are too few"),
    ],
)
def test_what_is_refused_about_a_folder(name: str, content: bytes, message: str, folder: Path) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        resolve_data(str(folder))
    assert str(caught.value).startswith(f"{folder / name}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / TEST_IMAGES).unlink()
    with pytest.raises(DataError) as caught:
        resolve_data(str(folder))
    assert str(caught.value) == f"{folder}: {TEST_IMAGES} is missing. It needs {', '.join(NAMES)}."
    (folder / f"{TEST_IMAGES}.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=f"{TEST_IMAGES} is missing. Unpack {TEST_IMAGES}.gz with `gunzip`"):
        resolve_data(str(folder))


def test_no_such_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nope", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=f"^{path}: no such folder. Give one with train-images"):
            resolve_data(str(path))
    (tmp_path / TRAIN_IMAGES).mkdir()
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES}: the file cannot be read: Is a directory"):
        resolve_data(str(tmp_path))


def test_the_table_of_facts_does_not_import_numpy() -> None:
    code = "import sys; import harness.data, harness.data.command; sys.exit('numpy' in sys.modules)"
    root = str(Path(__file__).parent.parent)
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0


def test_real_mnist(mnist: DataSet) -> None:
    assert mnist.name == "mnist"
    assert mnist.data_sha256 == "42fba4f787e0b19e7faba1307d5c5dc0041cbd2298cdf4edfd6da61303aa1767"
    assert mnist.train_images.shape == (60_000, 1, 28, 28) and mnist.test_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert mnist.test_labels[:4].tolist() == [7, 2, 1, 0]
    assert not mnist.train_images.flags.writeable


def test_a_copy_of_mnist_is_mnist(mnist: DataSet) -> None:
    folder = fetch("mnist")
    assert resolve_data(str(folder)).name == resolve_data(None).name == mnist.name


def test_first_loss_of_the_mlp(mnist: DataSet) -> None:
    """Initial parameters, pixels, labels and order together give the known loss of step 1, in f64."""
    indices = BatchOrder(len(mnist.train_images), 128, shuffle=False).batch_indices(1)
    x = pixels(mnist.train_images[indices], "f64").reshape(128, 784)
    for seed, (inputs, units) in enumerate([(784, 512), (512, 512), (512, 10)], start=42):
        w = draw(seed, inputs * units, (2 / inputs) ** 0.5).reshape(inputs, units).astype(np.float64)
        x = x @ w if units == 10 else np.maximum(x @ w, 0)
    labels = fed_labels(mnist.train_labels[indices])
    losses = np.log(np.exp(x).sum(axis=1)) - x[np.arange(128), labels]
    assert float(losses.mean()) == pytest.approx(2.41993885971, abs=1e-10)


def test_a_pipe_or_a_device_in_place_of_a_file_is_not_read(folder: Path) -> None:
    (folder / TRAIN_LABELS).unlink()
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(folder / TRAIN_LABELS)
        with pytest.raises(DataError, match="not a regular file"):
            resolve_data(str(folder))
        (folder / TRAIN_LABELS).unlink()
