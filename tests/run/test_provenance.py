"""Where a trace comes from, and what of the machine is never told."""

import platform
from pathlib import Path

import numpy as np
import pytest

from harness.run.backends import Presence
from harness.run.probe import installed_versions
from harness.run.provenance import cpu_features, cpu_model, provenance, scrub, scrub_paths, scrub_tree


def test_provenance_tells_versions_host_device_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_HOST", raising=False)
    told = provenance({"LEAN_MLIR_NO_SHUFFLE": "1"}, "CPU")
    assert told["versions"]["numpy"] == np.__version__
    assert told["python"] == platform.python_version()
    assert told["host"] == told["cpu"] == cpu_model() != ""
    assert (told["device"], told["driver"]) == ("CPU", None)
    assert told["cpu_features"] == sorted(cpu_features())
    assert told["environment"]["LEAN_MLIR_NO_SHUFFLE"] == "1"
    monkeypatch.setenv("HARNESS_HOST", "lab 3")
    assert provenance({}, None)["host"] == "lab 3"


def test_what_the_backends_own_python_said_counts() -> None:
    present = Presence("GPU", "", "cuda 12080", "3.12.1", {"jax": "0.9.1"})
    told = provenance({}, present.device, present)
    assert (told["versions"], told["python"], told["driver"]) == ({"jax": "0.9.1"}, "3.12.1", "cuda 12080")
    told = provenance({}, "GPU", Presence("GPU", driver="cuda 12080"))
    assert (told["versions"], told["driver"]) == (installed_versions(), "cuda 12080")


def test_the_chip_is_recorded_under_its_name() -> None:
    told = provenance({}, "GPU", Presence("GPU", chip="9.0"))
    assert (told["chip"], told["chip_source"]) == ("sm_90", "driver")
    assert "chip" not in provenance({}, "CPU", Presence("CPU"))


def test_the_environment_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("JAX_DISABLE_JIT", "1")
    monkeypatch.setenv("LEAN_MLIR_MAX_STEPS", "7")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LLVM_PATH", "/opt/llvm/18")
    told = provenance({"JAX_DISABLE_JIT": "0", "LEAN_MLIR_INIT_LOAD": "x"}, "CPU")["environment"]
    assert told["CUDA_VISIBLE_DEVICES"] == "1"
    assert told["JAX_DISABLE_JIT"] == "0", "what the run adds comes last"
    assert told["LLVM_PATH"] == ".../18"
    for name in ("LEAN_MLIR_MAX_STEPS", "LEAN_MLIR_INIT_LOAD", "AWS_SECRET_ACCESS_KEY", "PATH"):
        assert name not in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{cwd}", "."),
        ("{cwd}/a/b.py:3: error", "./a/b.py:3: error"),
        ("{cwd}-other/a.py", ".../a.py"),
        ("in '{home}/x y/z'", "in '~/x y/z'"),
        ("{home}", "~"),
        ('File "/usr/lib/python3.11/os.py", line 7', 'File ".../os.py", line 7'),
        ("PATH=/usr/bin:/usr/local/bin", "PATH=.../bin:.../bin"),
        ("--dump=/a/b/", "--dump=.../"),
        ("(/a/b)", "(.../b)"),
        ("file:///etc/passwd", "file:.../passwd"),
        ("https://github.com/ROCm/jax/issues/745", "https://github.com/ROCm/jax/issues/745"),
        ("traces/a.jsonl ./b/c ../d/e ~/f/g", "traces/a.jsonl ./b/c ../d/e ~/f/g"),
        ("12 / 3 and a/b and /device:CPU:0", "12 / 3 and a/b and /device:CPU:0"),
        ("", ""),
    ],
)
def test_paths_lose_home_and_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, expected: str
) -> None:
    cwd, home = tmp_path / "work", tmp_path / "jo doe"
    cwd.mkdir()
    home.mkdir()
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("HOME", str(home))
    assert scrub_paths(text.format(cwd=cwd, home=home)) == expected


def test_no_secret_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLVM_PATH", "https://ann:hunter2@mirror/llvm?token=abc")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/a/b --xla_api_key=abc")
    told = provenance({}, None)["environment"]
    assert told["LLVM_PATH"] == "https://SECRET@mirror/llvm?token=SECRET"
    assert told["XLA_FLAGS"] == "--xla_dump_to=.../b --xla_api_key=SECRET"
    assert scrub_tree(told) == told


def test_names_are_scrubbed_as_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "joe")
    monkeypatch.setattr("socket.gethostname", lambda: "box.lab")
    assert scrub("joe@box.lab: joey boxxlab joe-x box.lab2") == "USER@HOST: joey boxxlab joe-x box.lab2"
    monkeypatch.setenv("LOGNAME", "")
    monkeypatch.setattr("getpass.getuser", lambda: "")
    assert scrub("nobody's name") == "nobody's name"
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert scrub("root of %root on localhost") == "root of %root on localhost", "these tell nothing"


def test_a_tree_is_scrubbed_everywhere() -> None:
    tree = {"a": ["/x/y", ("/x/z", 1, None, True)], "b": {"c": "/x/y/z", "d": 1.5}}
    assert scrub_tree(tree) == {"a": [".../y", [".../z", 1, None, True]], "b": {"c": ".../z", "d": 1.5}}
