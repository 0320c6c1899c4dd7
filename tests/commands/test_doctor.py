import shutil

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data import DATASETS
from harness.run import health
from harness.run.backends import BACKENDS
from harness.run.health import COLUMNS, HealthCheck, examine
from harness.run.pipelines import MAIN
from harness.run.probing import Presence
from harness.system.text import Table


def checks() -> dict[str, HealthCheck]:
    """Its findings, by line."""
    table = examine().blocks[0]
    assert isinstance(table, Table)
    assert table.columns == COLUMNS
    return {row[0]: HealthCheck(*row) for row in table.rows}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A CPU and nothing else, without starting processes that ask for it."""
    monkeypatch.setattr(
        health,
        "presence",
        lambda name, _: Presence("CPU") if name == "cpu" else Presence(None, f"no {BACKENDS[name].device_name}"),
    )


def test_it_looks_at_everything_and_always_ends_well():
    found = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    assert found.exit_code == 0
    names = {f"{pipeline} on {name}" for name, row in BACKENDS.items() for pipeline in MAIN if row.serves(pipeline)}
    names |= {f"compile for {backend}" for backend in BACKENDS} | {f"data {name}" for name in DATASETS}
    names |= {"cache", "disk of the cache", "disk here", "memory", "processor", "browser", "extra pandas"}
    assert names <= set(checks())
    assert not {"phase2 on vulkan", "phase2 on vmvx"} & set(checks())
    assert "iree-base-compiler 3." in found.stdout


def test_whatever_is_not_ready_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(health, "package_version", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = checks()
    assert all((check.state == "ready") == (check.mend == "") for check in found.values())
    assert found["data mnist"].mend == "`harness data fetch mnist`"
    assert found["extra mllog"].mend == "`pip install 'training-trace-harness[mllog]'`"
    assert found["phase2 on cuda"].state == "absent"
    assert "`harness compile --targets cuda`" in found["phase2 on cuda"].mend
    assert "apt-get install chromium" in found["browser"].mend
    assert found["phase3 on vulkan"].state == "absent"
    assert "apt-get install mesa-vulkan-drivers" in found["phase3 on vulkan"].mend


def test_hardware_without_its_package_names_the_extra(monkeypatch):
    unusable = Presence(None, "CUDA device not usable by phase2: no plugin")
    monkeypatch.setattr(health, "presence", lambda name, pipeline: unusable if name == "cuda" else Presence("CPU"))
    found = checks()["phase2 on cuda"]
    assert (found.state, found.found) == ("broken", unusable.reason)
    assert found.mend.startswith("`pip install 'training-trace-harness[cuda]'`")
    assert found.mend.endswith("HARNESS_PYTHON_CUDA")


def test_a_variable_that_names_nothing_is_said_and_not_raised(monkeypatch):
    monkeypatch.setenv("IREE_CHIP", "nonsense")
    found = checks()["compile for cuda"]
    assert found.state == "broken"
    assert found.mend == "correct IREE_CHIP, or unset it"


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path, place):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / place))
    found = checks()["cache"]
    assert found.state == "broken"
    assert "HARNESS_CACHE" in found.mend


def test_the_size_of_the_cache_is_that_of_its_files(monkeypatch, tmp_path):
    (tmp_path / "iree").mkdir()
    for name, size in (("a", 30), ("iree/b", 12)):
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "link").symlink_to("nowhere")
    assert health._size(tmp_path) == 42 + len("nowhere")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "not" / "yet"))
    assert checks()["cache"].found == f"{tmp_path}/not/yet, 0.00 GB"


def test_little_room_is_said(monkeypatch):
    monkeypatch.setattr(health, "LITTLE_DISK", 1 << 60)
    monkeypatch.setattr(health, "_available_memory", lambda: 10**9)
    found = checks()
    assert [found[name].state for name in ("disk of the cache", "disk here", "memory")] == ["low"] * 3
    assert found["memory"].found == "1.0 GB free"
