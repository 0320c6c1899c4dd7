"""A data set in memory, and which one an argument means."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.data import DATASETS, DataSetFacts, data_sha256, dataset_facts
from harness.data.fetch import fetch
from harness.data.idx import Bytes, parse_images, parse_labels
from harness.errors import DataError


@dataclass(frozen=True)
class DataSet:
    """Images and labels as the files hold them, with the digest of those very bytes.

    Shapes: images (N, C, H, W) and labels (N,), unsigned bytes, read-only.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    data_sha256: str


@dataclass(frozen=True)
class DataChoice:
    """The folder that a run reads, and what goes on record about it. `examples`: training images in it."""

    folder: Path
    name: str
    data_sha256: str
    examples: int


def open_dataset(name_or_dir: str | Path) -> DataSet:
    """The data set of the table by that name, fetched if need be, or else the one in a folder.

    Raises: DataError.
    """
    if isinstance(name_or_dir, str) and name_or_dir in DATASETS:
        return read_folder(fetch(name_or_dir), dataset_facts(name_or_dir))
    return read_folder(Path(name_or_dir), DATASETS["mnist"])


def resolve_data(arg: str | None, dataset: str = "mnist", progress: bool = True) -> DataChoice:
    """What `--data ARG` means for a network that is trained on `dataset`.

    Nothing: the real data set, fetched if it is not in the cache. `synthetic`: the stand-in. Anything else: a folder.

    Raises: DataError when it cannot be had, read or used.
    """
    facts = dataset_facts(dataset)
    if arg is None:
        folder = fetch(dataset, progress=progress)
    elif arg == "synthetic":
        folder = fetch(f"{dataset}-synthetic", progress=progress)
    else:
        folder = Path(arg).absolute()
    data = read_folder(folder, facts)
    return DataChoice(folder, data.name, data.data_sha256, len(data.train_images))


def read_folder(folder: Path, facts: DataSetFacts) -> DataSet:
    """The four files of a folder, which must have the image shape and the classes of `facts`.

    The name is that of the table's row with the same bytes, else `mnist-custom` (for the row `mnist`).

    Raises: DataError naming the file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give one with {_file_names(facts)}.")
    contents = {file.name: _read(folder / file.name, folder, facts) for file in facts.files}
    names = list(contents)
    digest = data_sha256((name, hashlib.sha256(content).hexdigest()) for name, content in contents.items())
    splits: list[tuple[Bytes, Bytes]] = []
    for images_name, labels_name in (names[:2], names[2:]):
        images = parse_images(contents[images_name], str(folder / images_name))
        labels = parse_labels(contents[labels_name], str(folder / labels_name))
        if images.shape[1:] != facts.image_shape:
            raise DataError(
                f"{folder / images_name}: images of {_by(images.shape[1:])}, expected {_by(facts.image_shape)} "
                "(channels, rows, columns). Use data of that shape."
            )
        if len(images) != len(labels):
            raise DataError(
                f"{folder / labels_name}: {len(labels)} labels, but {images_name} has {len(images)} images. "
                "Use files that belong together."
            )
        if labels.max() >= facts.classes:
            raise DataError(
                f"{folder / labels_name}: label {labels.argmax()} is {labels.max()}, "
                f"expected 0 to {facts.classes - 1}. Use data with these classes."
            )
        splits.append((images, labels))
    (train_images, train_labels), (test_images, test_labels) = splits
    return DataSet(_name_of(digest, facts), train_images, train_labels, test_images, test_labels, digest)


def _name_of(digest: str, facts: DataSetFacts) -> str:
    for known in DATASETS.values():
        if digest == data_sha256((file.name, file.sha256) for file in known.files):
            return known.name
    return f"{facts.name}-custom"


def _read(path: Path, folder: Path, facts: DataSetFacts) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe or a device may never end
            raise DataError(f"{path}: not a regular file. Replace it.")
        return path.read_bytes()
    except FileNotFoundError:
        packed = path.with_name(f"{path.name}.gz")
        advice = f"Unpack {packed.name} with `gunzip`." if packed.exists() else f"It needs {_file_names(facts)}."
        raise DataError(f"{folder}: {path.name} is missing. {advice}") from None
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}.") from None


def _file_names(facts: DataSetFacts) -> str:
    return ", ".join(file.name for file in facts.files)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
