"""Whatever lies in the working folder is data: no program that the harness starts imports it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.synthetic import write_synthetic
from harness.run.backends import presence
from tests.support.sample_traces import write

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
SHADOWED = ["harness", "numpy", "jax", "iree", "msgspec", "json", "ctypes"]


@pytest.fixture
def booby_trapped(tmp_path: Path) -> Path:
    """A folder with modules named as those that programs need; each tells that it was imported, and ends."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(
            f"import pathlib, sys\npathlib.Path({str(folder)!r}, 'imported-{name}').touch()\nsys.exit(9)\n"
        )
    return folder


@pytest.mark.parametrize("pipeline", ["phase2", "phase3", "phase2-iree"])
def test_a_cell_imports_nothing_of_the_working_folder(booby_trapped: Path, tmp_path: Path, pipeline: str) -> None:
    write_synthetic(tmp_path / "data", NAMES, train=4, test=4)
    command = [sys.executable, "-P", "-m", "harness", "run", "mnist_mlp", "--pipeline", pipeline, "--steps", "1"]
    command += ["--batch", "4", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=booby_trapped, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(booby_trapped.glob("imported-*")) == []


@pytest.mark.parametrize(
    "words",
    [
        "verify mnist_mlp --steps 1 --batch 4 --data {data} --backends cpu --no-f64-check --no-wide --out {out}",
        "diff {trace} {trace}",
        "explain dense --out {out}",
        "envelope mnist_mlp --batch 4 --steps-budget 126 --data {data} --out {out}",
        "oracle dense --dtype f32",
        "nightly {config} --out {out}",
    ],
    ids=lambda words: words.split()[0],
)
def test_the_command_imports_nothing_of_the_working_folder(booby_trapped: Path, tmp_path: Path, words: str) -> None:
    write_synthetic(tmp_path / "data", NAMES, train=8, test=4)
    config = tmp_path / "night.toml"
    config.write_text('[[check]]\nname = "networks"\ncommand = ["harness", "models"]\n')
    trace = write(tmp_path / "a.jsonl", [2.0, 1.0])
    places = {"data": tmp_path / "data", "out": tmp_path / "out", "trace": trace, "config": config}
    harness = Path(sys.executable).with_name("harness")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(harness), *words.format(**places).split()],
        cwd=booby_trapped,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(booby_trapped.glob("imported-*")) == []
    assert done.returncode == 0, done.stderr


def test_looking_for_devices_imports_nothing_of_the_working_folder(
    booby_trapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(booby_trapped)
    presence.cache_clear()
    assert presence("cpu", "phase3")
    assert list(booby_trapped.glob("imported-*")) == []


def test_a_cell_takes_no_program_from_a_cache_of_jax(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "data", NAMES, train=4, test=4)
    command = [sys.executable, "-P", "-m", "harness", "run", "mnist_mlp", "--pipeline", "phase2", "--steps", "1"]
    command += ["--batch", "4", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    caching = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **caching}, capture_output=True, check=True)
    assert not (tmp_path / "jax").exists()
