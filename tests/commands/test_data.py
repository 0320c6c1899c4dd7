"""`harness data …` on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands.data import data_command
from harness.data import DATASETS
from harness.data.dataset import read_folder
from harness.errors import DataError
from tests.support.datasets import open_dataset


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


def test_fetch_then_path_then_list(cache: Path) -> None:
    folder = cache / "data" / "mnist-synthetic"
    before = CliRunner().invoke(data_command, ["path", "mnist-synthetic"])
    assert isinstance(before.exception, DataError)
    assert str(before.exception).startswith(f"{folder}: mnist-synthetic is not there")
    assert "harness data fetch mnist-synthetic" in str(before.exception)

    fetched = CliRunner().invoke(data_command, ["fetch", "mnist-synthetic"])
    assert fetched.exit_code == 0 and fetched.stdout == f"{folder}\n"
    assert "SHA-256 as expected" in fetched.stderr

    again = CliRunner().invoke(data_command, ["fetch", "mnist-synthetic", "--quiet"])
    assert (again.exit_code, again.stdout, again.stderr) == (0, f"{folder}\n", "")

    after = CliRunner().invoke(data_command, ["path", "mnist-synthetic"])
    assert (after.exit_code, after.stdout) == (0, f"{folder}\n")

    header, _, *rows = CliRunner().invoke(data_command, ["list"]).stdout.splitlines()
    assert header.split() == ["data", "set", "images", "classes", "bytes", "folder"]
    assert [row.split() for row in rows] == [
        ["mnist", "1x28x28", "10", "54,950,048", "not", "fetched"],
        ["mnist-synthetic", "1x28x28", "10", "54,950,048", str(folder)],
        ["cifar10", "3x32x32", "10", "184,380,000", "not", "fetched"],
        ["cifar10-synthetic", "3x32x32", "10", "184,380,000", "not", "fetched"],
    ]


def test_an_unknown_name_is_a_usage_error(cache: Path) -> None:
    result = CliRunner().invoke(data_command, ["fetch", "minst"])
    assert result.exit_code == 2 and "'mnist', 'mnist-synthetic'" in result.stderr
    assert not any(cache.iterdir())


def test_synthetic_data_of_a_chosen_size(tmp_path: Path) -> None:
    folder = tmp_path / "few"
    result = CliRunner().invoke(data_command, ["synthetic", str(folder), "--train", "30", "--test", "4"])
    assert (result.exit_code, result.stdout) == (0, f"{folder}\n")
    data = open_dataset(folder)
    assert (len(data.train_images), len(data.test_images), data.name) == (30, 4, "mnist-custom")
    words = ["synthetic", str(folder), "--name", "cifar10-synthetic", "--train", "12", "--test", "5"]
    assert CliRunner().invoke(data_command, words).exit_code == 0
    assert len(read_folder(folder, DATASETS["cifar10"]).train_images) == 12
    few = CliRunner().invoke(data_command, [*words[:4], "--train", "4"])
    assert str(few.exception) == "4 synthetic images: expected 5 to 16777216 of each kind."
