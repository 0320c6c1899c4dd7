"""The usual archive of Imagenette, `train/n0…/*.JPEG` and `val/n0…/*.JPEG`, made into files that programs read.

Source: specs/README.md, "Data", Imagenette.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image, ImageOps

from harness.data import PREPARED_CLASSES, PREPARED_FILES, TASKS
from harness.data.fetch import make_folder, not_writable
from harness.data.idx import colour_images_header, labels_header
from harness.data.pictures import open_picture
from harness.data.progress import Reporter, reporting
from harness.errors import DataError
from harness.system.cache import cache_root
from harness.system.files import replace_file

_SPLITS = ("train", "val")
_SUFFIXES = (".jpeg", ".jpg")
_CHUNK = 256  # pictures decoded ahead of what is written


@dataclass(frozen=True)
class _Picture:
    path: Path
    label: int
    size: int


def is_archive(folder: Path) -> bool:
    """True if a folder looks like the archive, rather than like files that programs read."""
    return any((folder / split).is_dir() for split in _SPLITS)


def prepare(folder: Path, side: int, cache: Path | None = None, progress: bool = True) -> Path:
    """The cache folder with the archive's pictures as `side` x `side` images, made when it is not there.

    It is named after what it was made from and with. Its list of classes is written last, so that what was left
    unfinished is done again. Labels are the places of the class folders in the order of their names.

    Raises: DataError naming the file that is damaged or the folder that is not as it should be.
    """
    classes = _classes(folder)
    splits = [_pictures(folder / split, classes) for split in _SPLITS]
    pictures = [picture for split in splits for picture in split]
    with reporting(progress) as report:
        digest = hashlib.sha256(f"Pillow {PIL.__version__}, side {side}\n".encode())
        advance = report.start("reading pictures", sum(picture.size for picture in pictures))
        for picture in pictures:
            name = picture.path.relative_to(folder).as_posix()
            digest.update(f"{name} {hashlib.sha256(_read(picture)).hexdigest()}\n".encode())
            advance(picture.size)
        root = (cache_root() if cache is None else cache) / "data" / "imagenette"
        target = root / f"{side}-{digest.hexdigest()[:24]}"
        if (target / PREPARED_CLASSES).is_file():
            return target
        report.say(f"{folder}: making images of {side}x{side} in {target}")
        make_folder(target)
        for split, (images, labels) in zip(splits, (PREPARED_FILES[:2], PREPARED_FILES[2:]), strict=True):
            header = colour_images_header(len(split), 3, side, side)
            _write(target / images, [header], _images(split, side, report))
            _write(target / labels, [labels_header(len(split)), bytes(picture.label for picture in split)])
        _write(target / PREPARED_CLASSES, [f"{name}\n".encode() for name in classes])
        return target


def _classes(folder: Path) -> list[str]:
    """The names of the class folders, which are the same for training and for testing."""
    found = []
    for split in _SPLITS:
        if not (folder / split).is_dir():
            raise DataError(f"{folder}: no folder '{split}'. It needs train and val, each with a folder a class.")
        found.append(sorted(entry.name for entry in (folder / split).iterdir() if _shown(entry) and entry.is_dir()))
    train, val = found
    if train != val:
        odd = sorted(set(train) ^ set(val))[0]
        raise DataError(f"{folder}: class '{odd}' is in one of train and val only. Use folders that belong together.")
    most = TASKS["imagenette"].facts.classes
    if not 1 <= len(train) <= most:
        raise DataError(
            f"{folder / 'train'}: {len(train)} class folders, expected 1 to {most}. Use data of such classes."
        )
    return train


def _pictures(split: Path, classes: Sequence[str]) -> list[_Picture]:
    """The pictures of one split in the order of their paths."""
    pictures = [
        _Picture(path, label, path.stat().st_size)
        for label, name in enumerate(classes)
        for path in sorted((split / name).iterdir())
        if _shown(path) and path.suffix.lower() in _SUFFIXES and path.is_file()
    ]
    if not pictures:
        raise DataError(f"{split}: no pictures. Its class folders need files that end in .JPEG.")
    return pictures


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _images(pictures: Sequence[_Picture], side: int, report: Reporter) -> Iterator[bytes]:
    """The pixels of each picture, decoded by as many threads as there are processors."""
    advance = report.start("resizing pictures", sum(picture.size for picture in pictures))
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # a picture that unpacks to far too much
        for start in range(0, len(pictures), _CHUNK):
            chunk = pictures[start : start + _CHUNK]
            for picture, image in zip(chunk, threads.map(lambda p: _image(p, side), chunk), strict=True):
                advance(picture.size)
                yield image


def _image(picture: _Picture, side: int) -> bytes:
    """The largest square around the middle, resized. In order channel, row, column."""
    try:
        with open_picture(_read(picture), "JPEG") as image:
            square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    except ValueError as error:
        raise DataError(f"{picture.path}: the picture cannot be decoded: {error}. Replace or remove it.") from None
    return b"".join(channel.tobytes() for channel in square.split())


def _read(picture: _Picture) -> bytes:
    try:
        return picture.path.read_bytes()
    except OSError as error:
        raise DataError(f"{picture.path}: the file cannot be read: {error.strerror or error}.") from None


def _write(path: Path, *parts: Iterable[bytes]) -> None:
    try:
        with replace_file(path) as out:
            for part in parts:
                out.writelines(part)
    except OSError as error:
        raise not_writable(path.parent, error) from None
