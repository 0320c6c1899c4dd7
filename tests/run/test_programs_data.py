"""Both emitted programs on every data set: named alike, fed the same bits, tested alike, refusing alike."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data import CIFAR10, IMAGENETTE_CLASSES, data_sha256
from harness.data.dataset import read_data, read_folder, resolve_data
from harness.data.idx import colour_images_header, labels_header
from harness.data.synthetic import write_synthetic
from harness.emit.jax_script import emit_jax_script
from harness.nn.rules import registered_rules
from harness.run.inprocess import script_module
from harness.spec.netspec import Conventions
from tests.support.pictures import write_archive
from tests.support.refusals import pipelines, refusal
from tests.support.tiny_programs import CIFAR_FILES, CONFIG, EPOCH_STEPS, TEST, TRAIN, Programs, picture_graph

SIDE = 40
AUGMENTED = replace(CONFIG, augment=True)
ALL = {"HARNESS_TRACE_CHANNELS": "all"}


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("cifar"), picture_graph("cifar10", 32), CONFIG, CIFAR_FILES)


@pytest.fixture(scope="module")
def imagenette(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Augmented, and with a data folder of CIFAR-10's format."""
    folder = tmp_path_factory.mktemp("imagenette")
    return Programs(folder, picture_graph("imagenette", SIDE), AUGMENTED, CIFAR_FILES)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny archive as it is prepared for the network."""
    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        archive = write_archive(folder / "archive")
        yield resolve_data(str(archive), "imagenette", (3, SIDE, SIDE), progress=False).folder


def sha256(pixels: np.ndarray, labels: np.ndarray) -> str:
    return hashlib.sha256(pixels.astype("<f4").tobytes() + labels.astype("<i4").tobytes()).hexdigest()


def test_cifar_is_fed_alike(cifar: Programs, tmp_path: Path) -> None:
    two, three = cifar.both(tmp_path, LEAN_MLIR_MAX_STEPS="7", **ALL)
    data = read_folder(cifar.data, CIFAR10)
    for run in (two, three):
        assert run.header["dataset"] == "cifar10-custom"
        assert run.header["data_sha256"] == data.data_sha256
        assert run.header["epoch_steps"] == EPOCH_STEPS
    assert two.column("batch_sha256") == three.column("batch_sha256")
    assert len(set(two.column("batch_sha256"))) == 7
    assert two.column("loss")[:3] == pytest.approx(three.column("loss")[:3], rel=1e-5)
    assert two.correct == pytest.approx(three.correct, abs=1)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_augmented_shuffled_enlarged_batches_are_the_same_bits(
    imagenette: Programs, dtype: str, tmp_path: Path
) -> None:
    two, three = imagenette.both(tmp_path, dtype, LEAN_MLIR_MAX_STEPS="7", **ALL)
    digests = read_folder(imagenette.data, CIFAR10).digests
    for run in (two, three):
        assert run.header["dataset"] == f"cifar10-custom-up{SIDE}"
        assert run.header["data_sha256"] == data_sha256(digests, SIDE) != data_sha256(digests)
        assert run.header["config"]["augment"] is True
    assert two.column("batch_sha256") == three.column("batch_sha256")
    assert len(set(two.column("batch_sha256"))) == 7
    assert two.column("loss")[:3] == pytest.approx(three.column("loss")[:3], rel=1e-5 if dtype == "f32" else 1e-12)


def test_augmentation_changes_with_the_epoch(imagenette: Programs, tmp_path: Path) -> None:
    """In file order the same examples come again, moved otherwise."""
    two, three = imagenette.both(tmp_path, LEAN_MLIR_NO_SHUFFLE="1", LEAN_MLIR_MAX_STEPS=str(2 * EPOCH_STEPS), **ALL)
    fed = two.column("batch_sha256")
    assert fed == three.column("batch_sha256") and len(set(fed)) == 2 * EPOCH_STEPS


@pipelines
def test_a_short_run_tests_no_more_than_it_trained_on(imagenette: Programs, pipeline: str, tmp_path: Path) -> None:
    run = imagenette.run(pipeline, tmp_path / "run", LEAN_MLIR_MAX_STEPS="1")
    assert run.tested[1] == CONFIG.batch_size
    whole = imagenette.run(pipeline, tmp_path / "whole")
    assert whole.tested[1] == TEST


def test_prepared_pictures_are_fed_alike_and_normalised(imagenette: Programs, prepared: Path, tmp_path: Path) -> None:
    """The first batch of a script without augmentation, computed by hand from the files."""
    plain = Programs(tmp_path / "plain", picture_graph("imagenette", SIDE), CONFIG, CIFAR_FILES)
    names = [prepared / f"{name}-ubyte" for name in ("train-images-idx4", "train-labels-idx1")]
    pixels = np.frombuffer(names[0].read_bytes()[20:], np.uint8).reshape(-1, 3, SIDE, SIDE)[:8].astype(np.float32)
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    pixels = (pixels / np.float32(255) - mean[:, None, None]) / deviation[:, None, None]
    expected = sha256(pixels, np.frombuffer(names[1].read_bytes()[8:16], np.uint8))
    for pipeline in ("phase2", "phase3"):
        once = {"LEAN_MLIR_MAX_STEPS": "1", "LEAN_MLIR_NO_SHUFFLE": "1", **ALL}
        run = plain.run(pipeline, tmp_path / pipeline, data=prepared, **once)
        assert run.header["dataset"] == "imagenette-custom"
        assert run.column("batch_sha256") == [expected]
        again = imagenette.run(pipeline, tmp_path / f"{pipeline}-augmented", data=prepared, **once)
        assert again.header["data_sha256"] == run.header["data_sha256"]
        assert again.column("batch_sha256") != [expected]
        assert again.tested[1] == 8


def test_both_call_imagenette_what_has_its_classes_and_counts(imagenette: Programs, tmp_path: Path) -> None:
    """Black pictures, as many as there are, and then one fewer, or with a class of another name."""
    script = script_module(
        emit_jax_script(imagenette.graph, AUGMENTED, "f32", Conventions(), command="test", rules=registered_rules())
    )

    def names(train: int, test: int, classes: tuple[str, ...]) -> set[str]:
        for split, count in (("train", train), ("t10k", test)):
            with (tmp_path / f"{split}-images-idx4-ubyte").open("wb") as file:
                file.write(colour_images_header(count, 3, SIDE, SIDE))
                file.truncate(20 + count * 3 * SIDE * SIDE)
            (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(labels_header(count) + bytes(count))
        (tmp_path / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
        return {read_data(tmp_path, "imagenette", (3, SIDE, SIDE)).name, script.load_data(tmp_path).name}

    assert names(9469, 3925, IMAGENETTE_CLASSES) == {"imagenette"}
    assert names(9469, 3924, IMAGENETTE_CLASSES) == {"imagenette-custom"}
    assert names(9469, 3925, (*IMAGENETTE_CLASSES[:9], "n00000000")) == {"imagenette-custom"}


def damage(data: Path, what: str) -> None:
    """Change one thing about a good folder."""
    first, last = data / "data_batch_2.bin", data / "test_batch.bin"
    if what == "missing":
        first.unlink()
    elif what == "empty":
        last.write_bytes(b"")
    elif what == "cut":
        last.write_bytes(last.read_bytes()[:-1])
    elif what == "long":
        first.write_bytes(first.read_bytes() + b"x")
    elif what == "label-10":
        first.write_bytes(b"\x0a" + first.read_bytes()[1:])
    elif what == "folder":
        last.unlink()
        last.mkdir()


@pipelines
@pytest.mark.parametrize("what", ["missing", "empty", "cut", "long", "label-10", "folder"])
@pytest.mark.parametrize("network", ["cifar", "imagenette"])
def test_unusable_records_are_refused(
    network: str, what: str, pipeline: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    programs = request.getfixturevalue(network)
    write_synthetic(tmp_path / "damaged", CIFAR_FILES, train=TRAIN, test=TEST)
    damage(tmp_path / "damaged", what)
    line = refusal(programs, pipeline, tmp_path, tmp_path / "damaged", LEAN_MLIR_INIT_LOAD="absent")
    assert str(tmp_path / "damaged") in line


def prepared_files(side: int = SIDE, labels: int = 16, label: int = 3, channels: int = 3) -> dict[str, bytes]:
    images = colour_images_header(16, channels, side, side) + bytes(16 * channels * side * side)
    names = ("train-images-idx4-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx4-ubyte", "t10k-labels-idx1-ubyte")
    return dict(zip(names, [images, labels_header(labels) + bytes([label] * labels)] * 2, strict=True))


DAMAGED_PREPARED = {
    "no-labels": {name: data for name, data in prepared_files().items() if "labels" not in name},
    "cut": {name: data[:-1] for name, data in prepared_files().items()},
    "other-size": prepared_files(side=SIDE + 1),
    "grey": prepared_files(channels=1),
    "fewer-labels": prepared_files(labels=15),
    "label-10": prepared_files(label=10),
}


@pipelines
@pytest.mark.parametrize("what", DAMAGED_PREPARED)
def test_unusable_prepared_files_are_refused(imagenette: Programs, what: str, pipeline: str, tmp_path: Path) -> None:
    data = tmp_path / "damaged"
    data.mkdir()
    for name, content in DAMAGED_PREPARED[what].items():
        (data / name).write_bytes(content)
    line = refusal(imagenette, pipeline, tmp_path, data, LEAN_MLIR_INIT_LOAD="absent")
    assert str(data) in line


@pipelines
def test_nothing_is_made_smaller(pipeline: str, tmp_path: Path) -> None:
    programs = Programs(tmp_path / "small", picture_graph("imagenette", 28), CONFIG, CIFAR_FILES)
    assert "28" in refusal(programs, pipeline, tmp_path)
