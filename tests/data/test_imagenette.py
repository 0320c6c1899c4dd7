"""Preparing an archive of pictures: what the images hold, when it is done again, and one line for what is wrong."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from harness.data import PREPARED_FILES, imagenette
from harness.data.dataset import DataSet, read_data, resolve_data
from harness.data.imagenette import is_archive, prepare
from harness.errors import DataError
from tests.support.pictures import CLASSES, write_archive

SIDE = 36
SHAPE = (3, SIDE, SIDE)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return write_archive(tmp_path / "archive")


def prepared(archive: Path, side: int = SIDE) -> DataSet:
    return read_data(prepare(archive, side, progress=False), "imagenette", (3, side, side))


def message(archive: Path) -> str:
    with pytest.raises(DataError) as caught:
        prepare(archive, SIDE, progress=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_archive_gives_its_images_by_class(archive: Path) -> None:
    data = prepared(archive)
    assert data.name == "imagenette-custom"
    assert data.train_images.shape == (24, *SHAPE) and data.test_images.shape == (9, *SHAPE)
    assert data.train_labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert data.test_labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert (data.train_images[7] == data.train_images[7, :1]).all()  # grey
    assert not (data.train_images[6] == data.train_images[6, :1]).all()


def test_the_middle_square_is_what_is_kept(archive: Path) -> None:
    """At the size of the shorter side nothing is resized; the longer side loses as much on the left as on the right."""
    data = prepared(archive, side=50)
    with Image.open(archive / "train" / CLASSES[1] / f"{CLASSES[1]}_0.JPEG") as picture:
        middle = np.asarray(picture)[:, 10:60]
    assert np.array_equal(data.train_images[8], middle.transpose(2, 0, 1))


def test_resolving_prepares_once(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = resolve_data(str(archive), "imagenette", SHAPE, progress=False)
    assert (choice.name, choice.examples) == ("imagenette-custom", 24)
    assert choice.folder.parent == archive.parent / "cache" / "data" / "imagenette"
    assert {path.name for path in choice.folder.iterdir()} == {*PREPARED_FILES, "classes.txt"}
    assert (choice.folder / "classes.txt").read_text().split() == CLASSES
    monkeypatch.setattr(imagenette, "_image", None)  # not called any more
    assert resolve_data(str(archive), "imagenette", SHAPE, progress=False) == choice
    assert resolve_data(str(choice.folder), "imagenette", SHAPE, progress=False) == choice


def test_another_size_picture_or_library_is_prepared_anew(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [prepare(archive, SIDE, progress=False), prepare(archive, SIDE + 1, progress=False)]
    path = archive / "val" / CLASSES[0] / f"{CLASSES[0]}_0.JPEG"
    Image.new("RGB", (60, 60), (1, 200, 30)).save(path)
    folders.append(prepare(archive, SIDE, progress=False))
    path.rename(path.with_name("renamed.jpg"))
    folders.append(prepare(archive, SIDE, progress=False))
    monkeypatch.setattr(PIL, "__version__", "0.0")
    folders.append(prepare(archive, SIDE, progress=False))
    assert len(set(folders)) == len(folders)


def test_what_was_left_unfinished_is_done_again(archive: Path) -> None:
    folder = prepare(archive, SIDE, progress=False)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "classes.txt").unlink()
    (folder / PREPARED_FILES[0]).write_bytes(b"half")
    (folder / PREPARED_FILES[3]).unlink()
    assert prepare(archive, SIDE, progress=False) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


def test_a_killed_preparation_leaves_nothing_that_passes(archive: Path) -> None:
    code = (
        "import sys, time, pathlib; from harness.data import imagenette; decode = imagenette._image\n"
        "def slow(picture, side):\n    print('.', flush=True); time.sleep(0.5); return decode(picture, side)\n"
        f"imagenette._image = slow; imagenette.prepare(pathlib.Path(sys.argv[1]), {SIDE}, progress=False)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(archive)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.read(1)
        child.send_signal(signal.SIGKILL)
    (folder,) = (archive.parent / "cache" / "data" / "imagenette").iterdir()
    assert not (folder / "classes.txt").exists()
    assert len(list(folder.glob(".*.part"))) == 1
    assert prepare(archive, SIDE, progress=False) == folder
    assert {path.name for path in folder.iterdir()} == {*PREPARED_FILES, "classes.txt"}


def test_other_files_are_let_alone(archive: Path) -> None:
    before = prepare(archive, SIDE, progress=False)
    for place in (archive, archive / "train", archive / "val" / CLASSES[0]):
        (place / "README.txt").write_text("")
        (place / ".DS_Store").write_bytes(b"x")
        (place / "._hidden.JPEG").write_bytes(b"x")
    assert prepare(archive, SIDE, progress=False) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no JPEG"),
        (b"<html>", "no JPEG"),
        ("cut", "image file is truncated"),
        ("png", "no JPEG"),
        ("bomb", "exceeds limit"),
    ],
)
def test_a_damaged_picture_is_named(
    content: bytes | str, reason: str, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive / "val" / CLASSES[2] / f"{CLASSES[2]}_1.JPEG"
    if content == "cut":
        content = path.read_bytes()[:-200]
    elif content == "png":
        with Image.open(path) as picture:
            picture.save(path, format="PNG")
        content = path.read_bytes()
    elif content == "bomb":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 70 * 50 - 1)
        content = path.read_bytes()
    path.write_bytes(content)
    said = message(archive)
    if reason == "exceeds limit":
        assert "the picture cannot be decoded" in said and reason in said
    else:
        assert said.startswith(f"{path}: the picture cannot be decoded: {reason}")
    (folder,) = (archive.parent / "cache" / "data" / "imagenette").iterdir()
    assert not (folder / "classes.txt").exists() and not list(folder.glob(".*"))


def test_folders_that_are_not_as_they_should_be(archive: Path) -> None:
    (archive / "val" / CLASSES[0]).rename(archive / "val" / "n0")
    assert f"{archive}: class 'n0' is in one of train and val only" in message(archive)
    (archive / "val" / "n0").rename(archive / "val" / CLASSES[0])
    (archive / "val").rename(archive / "test")
    assert message(archive) == f"{archive}: no folder 'val'. It needs train and val, each with a folder a class."
    (archive / "test").rename(archive / "val")
    for split in ("train", "val"):
        for i in range(8):
            (archive / split / f"x{i}").mkdir()
    assert message(archive) == f"{archive / 'train'}: 11 class folders, expected 1 to 10. Use data of such classes."


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split / "n0").mkdir(parents=True)
    assert is_archive(tmp_path) and not is_archive(tmp_path / "train")
    assert message(tmp_path).startswith(f"{tmp_path / 'train'}: no pictures.")


def test_a_cache_that_cannot_be_written(archive: Path) -> None:
    (archive.parent / "cache").write_text("")
    assert "the cache cannot be written" in message(archive)


def test_a_folder_of_neither_kind_is_told_both(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither pictures in `train` and `val`.*nor the files of CIFAR-10"):
        resolve_data(str(tmp_path), "imagenette", (3, 32, 32))
