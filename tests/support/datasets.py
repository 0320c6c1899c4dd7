"""Data sets, opened for the tests of whatever reads or writes them."""

from pathlib import Path

from harness.data import DATASETS, dataset_facts
from harness.data.dataset import DataSet, read_folder
from harness.data.fetch import fetch


def open_dataset(name_or_dir: str | Path) -> DataSet:
    """The data set of the table by that name, fetched if need be, or else the one in a folder.

    Raises: DataError.
    """
    if isinstance(name_or_dir, str) and name_or_dir in DATASETS:
        return read_folder(fetch(name_or_dir), dataset_facts(name_or_dir))
    return read_folder(Path(name_or_dir), DATASETS["mnist"])
