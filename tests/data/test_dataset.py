"""The data set of an argument, refused folders, and real MNIST down to the first loss."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data import DATASETS, MNIST, data_sha256
from harness.data.batches import BatchOrder, fed_labels, pixels
from harness.data.dataset import DataSet, read_data, resolve_data
from harness.data.fetch import fetch
from harness.data.idx import images_header, labels_header
from harness.data.initial_parameters import draw
from harness.data.synthetic import write_synthetic
from harness.errors import DataError
from tests.support.datasets import open_dataset
from tests.support.paths import ROOT

NAMES = [file.name for file in MNIST.files]
CIFAR_NAMES = [file.name for file in DATASETS["cifar10"].files]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    write_synthetic(tmp_path / "own", NAMES, train=20, test=10)
    return tmp_path / "own"


@pytest.fixture(scope="module")
def real_mnist(mnist: Path) -> DataSet:
    """Contents of the folder of real MNIST."""
    return open_dataset("mnist")


def test_a_folder_of_ones_own(own_folder: Path) -> None:
    data = open_dataset(own_folder)
    assert data.name == "mnist-custom"
    assert data.train_images.shape == (20, 1, 28, 28) and data.test_images.shape == (10, 1, 28, 28)
    assert data.train_labels.shape == (20,) and data.test_labels.shape == (10,)
    assert data.train_images.tobytes() == (own_folder / TRAIN_IMAGES).read_bytes()[16:]
    assert data.test_labels.tobytes() == (own_folder / TEST_LABELS).read_bytes()[8:]
    choice = resolve_data(str(own_folder))
    assert (choice.folder, choice.name, choice.data_sha256) == (own_folder, "mnist-custom", data.data_sha256)


def test_the_digest_can_be_computed_by_hand(own_folder: Path) -> None:
    lines = [f"{name} {hashlib.sha256((own_folder / name).read_bytes()).hexdigest()}\n" for name in NAMES]
    assert open_dataset(own_folder).data_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_digest_can_be_computed_without_python(own_folder: Path) -> None:
    listing = subprocess.run(["sha256sum", *NAMES], cwd=own_folder, capture_output=True, text=True, check=True).stdout
    lines = "".join(f"{name} {digest}\n" for digest, name in map(str.split, listing.splitlines()))
    assert open_dataset(own_folder).data_sha256 == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_digest_sees_every_file(name: str, own_folder: Path) -> None:
    before = open_dataset(own_folder).data_sha256
    data = bytearray((own_folder / name).read_bytes())
    data[-1] ^= 1
    (own_folder / name).write_bytes(data)
    assert open_dataset(own_folder).data_sha256 != before


def test_a_relative_folder_becomes_absolute(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_folder.parent)
    assert resolve_data("own").folder == own_folder


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
def test_what_is_refused_about_a_folder(name: str, content: bytes, message: str, own_folder: Path) -> None:
    (own_folder / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        resolve_data(str(own_folder))
    assert str(caught.value).startswith(f"{own_folder / name}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(own_folder: Path) -> None:
    (own_folder / TEST_IMAGES).unlink()
    with pytest.raises(DataError) as caught:
        resolve_data(str(own_folder))
    assert str(caught.value) == f"{own_folder}: {TEST_IMAGES} is missing. It needs {', '.join(NAMES)}."
    (own_folder / f"{TEST_IMAGES}.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=f"{TEST_IMAGES} is missing. Unpack {TEST_IMAGES}.gz with `gunzip`"):
        resolve_data(str(own_folder))


def test_a_missing_folder_or_file_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "nope", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=f"^{path}: no such folder. Give one with train-images"):
            resolve_data(str(path))
    (tmp_path / TRAIN_IMAGES).mkdir()
    with pytest.raises(DataError, match=f"{TRAIN_IMAGES}: the file cannot be read: Is a directory"):
        resolve_data(str(tmp_path))


def test_the_table_of_facts_does_not_import_numpy() -> None:
    code = "import sys; import harness.data, harness.commands.data; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


# CIFAR-10 and networks that are fed at their own size


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    write_synthetic(tmp_path / "cifar", CIFAR_NAMES, train=23, test=7)
    return tmp_path / "cifar"


def test_a_folder_of_records_is_read_as_its_bytes_are(cifar_folder: Path) -> None:
    data = read_data(cifar_folder, "cifar10", (3, 32, 32))
    assert (data.name, data.upsampled) == ("cifar10-custom", None)
    assert data.train_images.shape == (23, 3, 32, 32) and data.test_images.shape == (7, 3, 32, 32)
    records = b"".join((cifar_folder / name).read_bytes() for name in CIFAR_NAMES[:5])
    assert records == b"".join(
        bytes([label]) + image.tobytes() for image, label in zip(data.train_images, data.train_labels, strict=True)
    )
    lines = [f"{name} {hashlib.sha256((cifar_folder / name).read_bytes()).hexdigest()}\n" for name in CIFAR_NAMES]
    assert data.data_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    large = read_data(cifar_folder, "imagenette", (3, 224, 224))
    assert (large.name, large.upsampled) == ("cifar10-custom-up224", 224)
    assert large.data_sha256 == hashlib.sha256("".join([*lines, "bilinear 224\n"]).encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_3.bin", bytes(3073 * 4 - 1), "12291 bytes, expected whole records of 3073"),
        ("data_batch_3.bin", bytes(3073 + 1), "3074 bytes, expected whole records of 3073"),
        ("test_batch.bin", b"", "0 bytes, expected whole records of 3073"),
        ("test_batch.bin", bytes(3073) + b"\x0a" + bytes(3072), "label 1 is 10, expected 0 to 9"),
        ("data_batch_5.bin", b"\xff" + bytes(3072), "label 0 is 255, expected 0 to 9"),
    ],
)
def test_what_is_refused_about_records(name: str, content: bytes, message: str, cifar_folder: Path) -> None:
    (cifar_folder / name).write_bytes(content)
    for dataset in ("cifar10", "imagenette"):
        with pytest.raises(DataError) as caught:
            resolve_data(str(cifar_folder), dataset)
        assert str(caught.value).startswith(f"{cifar_folder / name}: ") and message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_batch_is_named(cifar_folder: Path) -> None:
    (cifar_folder / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=rf"^{cifar_folder}: data_batch_4.bin is missing. It needs data_batch_1.bin, "):
        resolve_data(str(cifar_folder), "cifar10")


@pytest.mark.parametrize(
    ("dataset", "shape", "message"),
    [
        ("imagenette", (3, 31, 31), "images of 31x31, expected at least 32x32"),
        ("imagenette", (3, 64, 32), r"input shape is \(3, 64, 32\), expected \(3, S, S\)"),
        ("imagenette", (1, 64, 64), r"expected \(3, S, S\)"),
        ("imagenette", (12288,), r"expected \(3, S, S\)"),
        ("cifar10", (3, 28, 28), r"input shape is \(3, 28, 28\), its images are of \(3, 32, 32\)"),
        ("mnist", (3, 28, 28), r"its images are of \(1, 28, 28\)"),
        ("cifar10-synthetic", (3, 32, 32), "a network is trained on mnist, cifar10, imagenette"),
    ],
)
def test_a_shape_that_no_image_has(dataset: str, shape: tuple[int, ...], message: str, cifar_folder: Path) -> None:
    with pytest.raises(DataError, match=f"{message}[^\n]*$"):
        resolve_data(str(cifar_folder), dataset, shape)


def test_the_stand_ins_of_imagenette_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only names and digests of the table: nothing is fetched."""
    asked = []
    monkeypatch.setattr("harness.data.dataset.fetch", lambda name, progress: asked.append(name) or tmp_path)
    monkeypatch.setattr("harness.data.dataset.read_folder", lambda folder, facts: _blank(asked[-1]))
    plain = resolve_data(None, "imagenette", (3, 96, 96))
    made = resolve_data("synthetic", "imagenette", (3, 96, 96))
    assert (plain.name, made.name) == ("cifar10-up96", "cifar10-synthetic-up96")
    assert asked == ["cifar10", "cifar10-synthetic"]
    for choice, name in ((plain, "cifar10"), (made, "cifar10-synthetic")):
        files = ((file.name, file.sha256) for file in DATASETS[name].files)
        assert choice.data_sha256 == data_sha256(files, 96)
    assert resolve_data("synthetic", "cifar10").name == "cifar10-synthetic"


def _blank(name: str) -> DataSet:
    images, labels = np.zeros((1, 3, 32, 32), np.uint8), np.zeros(1, np.uint8)
    digests = tuple((file.name, file.sha256) for file in DATASETS[name].files)
    return DataSet(name, images, labels, images, labels, digests)


def test_real_cifar_has_its_known_images_and_labels() -> None:
    try:
        data = open_dataset("cifar10")
    except DataError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    assert data.name == "cifar10"
    assert data.train_images.shape == (50_000, 3, 32, 32) and data.test_images.shape == (10_000, 3, 32, 32)
    assert data.train_labels[:5].tolist() == [6, 9, 9, 4, 1] and data.test_labels[:4].tolist() == [3, 8, 8, 0]
    assert np.bincount(data.train_labels).tolist() == [5_000] * 10
    assert data.train_images[0, :, 0, 0].tolist() == [59, 62, 63]  # frog
    assert read_data(fetch("cifar10"), "imagenette", (3, 224, 224)).name == "cifar10-up224"


def test_real_mnist_has_its_known_digest_images_and_labels(real_mnist: DataSet) -> None:
    assert real_mnist.name == "mnist"
    assert real_mnist.data_sha256 == "42fba4f787e0b19e7faba1307d5c5dc0041cbd2298cdf4edfd6da61303aa1767"
    assert real_mnist.train_images.shape == (60_000, 1, 28, 28) and real_mnist.test_images.shape == (10_000, 1, 28, 28)
    assert real_mnist.train_labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert real_mnist.test_labels[:4].tolist() == [7, 2, 1, 0]
    assert not real_mnist.train_images.flags.writeable


def test_a_copy_of_mnist_is_mnist(mnist: Path) -> None:
    assert resolve_data(str(mnist)).name == resolve_data(None).name == "mnist"


def test_first_loss_of_the_mlp(real_mnist: DataSet) -> None:
    """Initial parameters, pixels, labels and order together give the known loss of step 1, in f64."""
    indices = BatchOrder(len(real_mnist.train_images), 128, shuffle=False).batch_indices(1)
    x = pixels(real_mnist.train_images[indices], "f64").reshape(128, 784)
    for seed, (inputs, units) in enumerate([(784, 512), (512, 512), (512, 10)], start=42):
        w = draw(seed, inputs * units, (2 / inputs) ** 0.5).reshape(inputs, units).astype(np.float64)
        x = x @ w if units == 10 else np.maximum(x @ w, 0)
    labels = fed_labels(real_mnist.train_labels[indices])
    losses = np.log(np.exp(x).sum(axis=1)) - x[np.arange(128), labels]
    assert float(losses.mean()) == pytest.approx(2.41993885971, abs=1e-10)


def test_a_pipe_or_a_device_in_place_of_a_file_is_not_read(own_folder: Path) -> None:
    (own_folder / TRAIN_LABELS).unlink()
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        make(own_folder / TRAIN_LABELS)
        with pytest.raises(DataError, match="not a regular file"):
            resolve_data(str(own_folder))
        (own_folder / TRAIN_LABELS).unlink()
