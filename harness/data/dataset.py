"""A data set in memory, and which one an argument means."""

import hashlib
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.data import (
    DATASETS,
    IMAGENETTE_CLASSES,
    IMAGENETTE_COUNTS,
    PREPARED_CLASSES,
    PREPARED_FILES,
    TASKS,
    DataSetFacts,
    data_sha256,
    task,
    upsampled_name,
)
from harness.data.cifar import parse_batch
from harness.data.fetch import fetch
from harness.data.idx import Bytes, Content, parse_colour_images, parse_images, parse_labels
from harness.errors import DataError

Split = tuple[Bytes, Bytes]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """Images and labels as the files hold them.

    `digests`: name and SHA-256 of each file, of those very bytes.
    `upsampled`: the side to which images are enlarged when they are fed; the name and the digest tell of it.
    Shapes: images (N, C, H, W) and labels (N,), unsigned bytes, read-only.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    digests: tuple[tuple[str, str], ...]
    upsampled: int | None = None

    @property
    def data_sha256(self) -> str:
        """The digest of the set."""
        return data_sha256(self.digests, self.upsampled)


@dataclass(frozen=True)
class DataChoice:
    """The folder that a run reads, and the facts that are recorded about it. `examples`: training images in it."""

    folder: Path
    name: str
    data_sha256: str
    examples: int


def resolve_data(
    arg: str | None, dataset: str = "mnist", input_shape: Shape | None = None, progress: bool = True
) -> DataChoice:
    """Find the data of `--data ARG` for a network that is trained on `dataset` with inputs of `input_shape`.

    Nothing: the real data set, or what stands in for it, fetched if it is not in the cache. `synthetic`: images that
    are made here. Anything else: a folder; an archive of pictures is prepared in the cache first.

    Raises: DataError when it cannot be had, read or used.
    """
    if input_shape is None:
        input_shape = TASKS[dataset].facts.image_shape if dataset in TASKS else ()
    wanted = task(dataset, input_shape)
    if arg is None:
        folder = fetch(wanted.facts.name, progress=progress)
    elif arg == "synthetic":
        folder = fetch(wanted.synthetic.name, progress=progress)
    else:
        folder = Path(arg).absolute()
        if wanted.any_side and folder.is_dir():
            folder = _usable(folder, input_shape[-1], wanted.facts, progress)
    data = read_data(folder, dataset, input_shape)
    return DataChoice(folder, data.name, data.data_sha256, len(data.train_images))


def _usable(folder: Path, side: int, facts: DataSetFacts, progress: bool) -> Path:
    """The folder, or where its pictures were made into files that programs read."""
    from harness.data.imagenette import is_archive, prepare  # here: pictures need a package that nothing else here does

    if is_archive(folder):
        return prepare(folder, side, progress=progress)
    _expect_any(folder, [file.name for file in facts.files])
    return folder


def _expect_any(folder: Path, names: list[str]) -> None:
    """Tell all that a folder could hold when it holds none of it."""
    if not any((folder / name).exists() for name in (*names, PREPARED_FILES[0])):
        raise DataError(
            f"{folder}: neither pictures in `train` and `val`, as the archive of Imagenette has them, nor the files of "
            f"CIFAR-10 ({', '.join(names)}). Give a folder with either."
        )


def read_data(folder: Path, dataset: str, input_shape: Shape) -> DataSet:
    """A folder's data for a network that is trained on `dataset` with inputs of `input_shape`.

    Raises: DataError naming the file.
    """
    wanted = task(dataset, input_shape)
    if not wanted.any_side:
        return read_folder(folder, wanted.facts)
    if (folder / PREPARED_FILES[0]).exists():
        return _read_prepared(folder, wanted.facts.classes, input_shape)
    data = read_folder(folder, wanted.facts)
    side = input_shape[-1]
    return replace(data, name=upsampled_name(data.name, side), upsampled=side)


def read_folder(folder: Path, facts: DataSetFacts) -> DataSet:
    """The files of a folder, which must have the format, the image shape and the classes of `facts`.

    The name is that of the table's row with the same bytes, else `mnist-custom` (for the row `mnist`).

    Raises: DataError naming the file.
    """
    contents, digests = _read_all(folder, [file.name for file in facts.files])
    if facts.format == "idx":
        train, test = _idx_splits(folder, contents, facts.classes, facts.image_shape, parse_images)
    else:
        batches = [_cifar_batch(content, folder / name, facts.classes) for name, content in contents.items()]
        images, labels = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
        train, test = (images, labels), batches[-1]
    digest = data_sha256(digests)
    known = (row.name for row in DATASETS.values() if row.sha256 == digest)
    return DataSet(next(known, f"{facts.name}-custom"), *train, *test, digests)


def _read_prepared(folder: Path, classes: int, shape: Shape) -> DataSet:
    """Imagenette as it was prepared: it has no known digest, but known classes and counts."""
    contents, digests = _read_all(folder, PREPARED_FILES)
    train, test = _idx_splits(folder, contents, classes, shape, parse_colour_images)
    listed = folder / PREPARED_CLASSES
    names = listed.read_text(encoding="latin-1").split() if listed.is_file() else []
    real = tuple(names) == IMAGENETTE_CLASSES and (len(train[1]), len(test[1])) == IMAGENETTE_COUNTS
    return DataSet("imagenette" if real else "imagenette-custom", *train, *test, digests)


def _idx_splits(
    folder: Path, contents: dict[str, Content], classes: int, shape: Shape, parse: Callable[[Content, str], Bytes]
) -> list[Split]:
    """Images and labels for training and for testing, from four files in that order."""
    splits = []
    names = list(contents)
    for images_name, labels_name in (names[:2], names[2:]):
        images = parse(contents[images_name], str(folder / images_name))
        labels = parse_labels(contents[labels_name], str(folder / labels_name))
        if images.shape[1:] != shape:
            raise DataError(
                f"{folder / images_name}: images of {_by(images.shape[1:])}, expected {_by(shape)} "
                "(channels, rows, columns). Use data of that shape."
            )
        if len(images) != len(labels):
            raise DataError(
                f"{folder / labels_name}: {len(labels)} labels, but {images_name} has {len(images)} images. "
                "Use files that belong together."
            )
        _check_labels(labels, folder / labels_name, classes)
        splits.append((images, labels))
    return splits


def _cifar_batch(content: Content, path: Path, classes: int) -> Split:
    images, labels = parse_batch(content, str(path))
    _check_labels(labels, path, classes)
    return images, labels


def _check_labels(labels: Bytes, path: Path, classes: int) -> None:
    if labels.max() >= classes:
        raise DataError(
            f"{path}: label {labels.argmax()} is {labels.max()}, expected 0 to {classes - 1}. "
            "Use data with these classes."
        )


def _read_all(folder: Path, names: Sequence[str]) -> tuple[dict[str, Content], tuple[tuple[str, str], ...]]:
    """The files of a folder by name, and the digest of each."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give one with {', '.join(names)}, or leave --data out.")
    contents = {name: _read(folder / name, names) for name in names}
    return contents, tuple((name, hashlib.sha256(content).hexdigest()) for name, content in contents.items())


def _read(path: Path, names: Sequence[str]) -> Content:
    """A file's bytes, mapped into memory: those of a large set are read only as they are needed."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe or a device may never end
            raise DataError(f"{path}: not a regular file. Replace it.")
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return b""
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        packed = path.with_name(f"{path.name}.gz")
        advice = f"Unpack {packed.name} with `gunzip`." if packed.exists() else f"It needs {', '.join(names)}."
        raise DataError(f"{path.parent}: {path.name} is missing. {advice}") from None
    except OSError as error:
        raise DataError(
            f"{path}: the file cannot be read: {error.strerror or error}. Give another folder with --data."
        ) from None


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))
