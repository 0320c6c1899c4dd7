"""The table of backends: probing, flags, environment; and that one row is all that a new backend takes."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import iree.runtime
import numpy as np
import pytest

from harness.errors import BackendError
from harness.run import probing
from harness.run.backends import BACKENDS, Backend, backend, presence
from harness.run.compile import compile_module
from harness.run.contract import read_contract
from harness.run.probing import Presence
from tests.support.processes import dies

VARIABLES = ("IREE_CHIP", "IREE_DEVICE", "HARNESS_IREE_TARGET_CPU", "XLA_FLAGS")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing set, nothing remembered."""
    for name in (*VARIABLES, *(row.python_variable for row in BACKENDS.values())):
        monkeypatch.delenv(name, raising=False)
    presence.cache_clear()
    yield
    presence.cache_clear()


def add(monkeypatch: pytest.MonkeyPatch, row: Backend) -> Backend:
    monkeypatch.setitem(BACKENDS, row.name, row)
    return row


def python_that(tmp_path: Path, code: str) -> str:
    """An interpreter of its own that answers with `code` whatever it is asked."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_the_three_are_there_under_their_names() -> None:
    assert {"cpu", "cuda", "rocm"} <= set(BACKENDS)
    assert all(name == row.name for name, row in BACKENDS.items())
    assert len({row.iree_backend for row in BACKENDS.values()}) == len(BACKENDS)


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match=r"^unknown backend 'tpu'; known are cpu, cuda, rocm, vulkan, vmvx\.$"):
        backend("tpu")


def test_each_backend_compiles_for_its_target_and_keeps_f64() -> None:
    for row in BACKENDS.values():
        flags = row.compile_flags()
        assert "--iree-input-type=stablehlo" in flags
        assert "--iree-input-demote-f64-to-f32=false" in flags
    assert BACKENDS["cpu"].compile_flags()[-1] == "--iree-llvmcpu-target-cpu=host"
    assert BACKENDS["cuda"].compile_flags()[-2:] == ("--iree-hal-target-device=cuda", "--iree-cuda-target=sm_89")
    rocm = BACKENDS["rocm"].compile_flags()
    assert {"--iree-hal-target-device=hip", "--iree-rocm-target=gfx1100"} < set(rocm)
    assert "--iree-codegen-llvmgpu-use-reduction-vector-distribution=false" in rocm


def test_a_chip_goes_to_the_backend_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREE_CHIP", "gfx942")
    assert BACKENDS["rocm"].compile_flags()[-1] == "--iree-rocm-target=gfx942"
    assert BACKENDS["cuda"].compile_flags()[-1] == "--iree-cuda-target=sm_89"
    assert BACKENDS["cpu"].compile_flags()[-1] == "--iree-llvmcpu-target-cpu=host"
    monkeypatch.setenv("IREE_CHIP", "")
    assert BACKENDS["rocm"].compile_flags()[-1] == "--iree-rocm-target=gfx1100"
    monkeypatch.setenv("IREE_CHIP", "rtx4090")
    with pytest.raises(BackendError, match=r"^IREE_CHIP is 'rtx4090', expected a name that starts with .*sm_ or gfx"):
        BACKENDS["cuda"].compile_flags()
    monkeypatch.setenv("HARNESS_IREE_TARGET_CPU", "generic")
    assert BACKENDS["cpu"].compile_flags()[-1] == "--iree-llvmcpu-target-cpu=generic"


def test_a_device_goes_to_the_backend_of_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def devices() -> list[str]:
        return [BACKENDS[name].iree_environment()["IREE_DEVICE"] for name in ("cpu", "cuda", "rocm")]

    assert devices() == ["local-task", "cuda", "hip"]
    monkeypatch.setenv("IREE_DEVICE", "cuda://1")
    assert devices() == ["local-task", "cuda://1", "hip"]
    monkeypatch.setenv("IREE_DEVICE", "local-sync")
    assert devices() == ["local-sync", "cuda", "hip"]
    monkeypatch.setenv("IREE_DEVICE", "metal")
    with pytest.raises(BackendError, match=r"^IREE_DEVICE is 'metal', expected a name that starts with "):
        devices()


def test_a_program_reads_what_its_row_gives_it() -> None:
    for row in BACKENDS.values():
        contract = read_contract(row.iree_environment())
        assert (contract.backend, contract.device) == (row.name, row.hal_device)
        assert read_contract({"IREE_BACKEND": row.iree_backend}).device == row.hal_device


def test_kernels_are_deterministic_whatever_the_user_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=4 --xla_dump_to=x")
    for name in ("cuda", "rocm"):
        given = BACKENDS[name].jax_environment()
        assert given["JAX_PLATFORMS"] == name
        assert given["XLA_FLAGS"].split() == [
            "--xla_gpu_autotune_level=4",
            "--xla_dump_to=x",
            "--xla_gpu_deterministic_ops=true",
            "--xla_gpu_autotune_level=0",
        ]
    assert BACKENDS["cpu"].jax_environment()["XLA_FLAGS"] == "--xla_gpu_autotune_level=4 --xla_dump_to=x"
    monkeypatch.delenv("XLA_FLAGS")
    assert "XLA_FLAGS" not in BACKENDS["cpu"].jax_environment()


def test_xla_knows_the_flags_and_dies_of_others() -> None:
    def start(flags: str) -> int:
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
        command = [sys.executable, "-c", "import jax; jax.devices()"]
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    for flags in {row.xla_flags for row in BACKENDS.values()}:
        assert start(flags) == 0
    assert start("--xla_gpu_no_such_flag=true") != 0


def test_the_cpu_is_here_and_says_what_it_runs() -> None:
    for pipeline in ("phase2", "phase3"):
        found = presence("cpu", pipeline)
        assert found
        assert found.device == "CPU"
        assert found.python == sys.version.split()[0]
        assert found.versions is not None
        assert {"jax", "jaxlib", "numpy", "iree-base-compiler", "iree-base-runtime"} <= set(found.versions)


def test_several_devices_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    assert presence("cpu", "phase2").device == "2 x CPU"


@pytest.mark.parametrize("pipeline", ["phase2", "phase3", "somebody_elses"])
def test_an_absent_device_is_told_in_words_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, pipeline: str
) -> None:
    monkeypatch.setattr(probing, "Child", None)
    for name, words in (("cuda", "no CUDA device"), ("rocm", "no ROCm device")):
        add(monkeypatch, dataclasses.replace(BACKENDS[name], device_files=("./no-such-device",)))
        assert presence(name, pipeline) == Presence(None, words)
        assert not presence(name, pipeline)


def present_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, name: str = "cuda") -> None:
    """A backend whose device file is there and whose Python answers with `code`."""
    (tmp_path / "device").touch()
    add(monkeypatch, dataclasses.replace(BACKENDS[name], device_files=(str(tmp_path / "device"),), driver_files=()))
    monkeypatch.setenv(f"HARNESS_PYTHON_{name.upper()}", python_that(tmp_path, code))


ANSWER = '{"device": "GPU 1", "count": 1, "driver": "cuda 12080", "python": "3.12.1", "versions": {"jax": "0.10.9"}}'


def test_the_backends_own_python_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "import os, sys\nopen(sys.argv[0] + '.asked', 'a').write(str([sys.argv[1:3], sys.argv[4:]]))\n"
        "assert os.environ['IREE_BACKEND' if sys.argv[4] == 'iree' else 'JAX_PLATFORMS'] == 'cuda'\n"
        f"print('noise of a plugin')\nprint({ANSWER!r})"
    )
    present_row(monkeypatch, tmp_path, code)
    expected = Presence("GPU 1", "", "cuda 12080", "3.12.1", {"jax": "0.10.9"})
    assert presence("cuda", "phase2") == expected
    assert presence("cuda", "phase3") == expected
    assert presence("cuda", "phase3") == expected, "asked once"
    assert (tmp_path / "python.asked").read_text() == "[['-P', '-c'], ['jax', 'cuda']][['-P', '-c'], ['iree', 'cuda']]"


def test_the_drivers_own_files_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    present_row(monkeypatch, tmp_path, f"print({ANSWER!r})")
    (tmp_path / "version").write_text("NVRM  version 550.54\nGCC version 12\n")
    files = (str(tmp_path / "version"), str(tmp_path / "no-such-file"))
    add(monkeypatch, dataclasses.replace(BACKENDS["cuda"], driver_files=files))
    assert presence("cuda", "phase2").driver == "NVRM version 550.54; cuda 12080"
    assert presence("cuda", "lean") == Presence("CUDA device", driver="NVRM version 550.54")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('first\\nUnable to initialize backend')", ": Unable to initialize backend"),
        ("raise SystemExit(5)", ": exit code 5"),
        ("import os; os.abort()", ": the probe was killed by SIGABRT"),
        ("print('hello')", ": the probe printed something else than its answer"),
        ("pass", ": the probe printed something else than its answer"),
    ],
)
def test_a_driver_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, reason: str) -> None:
    present_row(monkeypatch, tmp_path, code)
    assert presence("cuda", "phase2") == Presence(None, f"CUDA device not usable by phase2{reason}")


def test_a_driver_that_hangs_is_ended_with_what_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\ng = subprocess.Popen(['sleep', '60'])\n"
        "open(sys.argv[0] + '.pid', 'w').write(str(g.pid))\ntime.sleep(60)"
    )
    present_row(monkeypatch, tmp_path, code)
    monkeypatch.setattr(probing, "PROBE_TIMEOUT_S", 1)
    started = time.monotonic()
    reason = "CUDA device not usable by phase3: the driver did not answer within 1 s"
    assert presence("cuda", "phase3") == Presence(None, reason)
    assert time.monotonic() - started < 10
    assert dies(int((tmp_path / "python.pid").read_text()))


def test_a_python_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    present_row(monkeypatch, tmp_path, "")
    monkeypatch.setenv("HARNESS_PYTHON_CUDA", "./no-such-python")
    found = presence("cuda", "phase2")
    assert found.reason == "HARNESS_PYTHON_CUDA: the interpreter cannot be started (No such file or directory)"
    monkeypatch.setenv("HARNESS_PYTHON_CUDA", "")
    assert BACKENDS["cuda"].python() == sys.executable, "empty is unset"


def test_the_probe_needs_nothing_of_this_package(tmp_path: Path) -> None:
    text = Path(probing.__file__).with_name("probe.py").read_text()
    assert "harness." not in text.replace('"""', "")
    command = [sys.executable, "-c", text, "iree", "local-task"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert '"count": 1' in done.stdout


def test_looking_for_devices_imports_no_jax_here() -> None:
    code = "import sys; from harness.run.backends import presence; assert presence('cpu', 'phase2'); assert not "
    code += "{'jax', 'iree', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# The whole of what adding a backend takes.
VMVX = Backend(
    name="vmvx",
    device_name="CPU",
    iree_backend="vmvx",
    target_flags=("--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=vmvx"),
    hal_device="local-task",
    hal_drivers=("local-task", "local-sync"),
    jax_platform="cpu",
)
SUM = """
module { func.func @main(%x: tensor<4xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %y = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0]
    : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
} }
"""


def test_a_new_backend_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = add(monkeypatch, VMVX)
    assert backend("vmvx") is row
    assert presence("vmvx", "phase3").device == "CPU"
    contract = read_contract(row.iree_environment())
    assert (contract.backend, contract.device) == ("vmvx", "local-task")
    compiled = compile_module(SUM, row.compile_flags(), "sum")
    module = iree.runtime.load_vm_flatbuffer_file(str(compiled.path), driver=contract.device)
    assert module.main(np.arange(4, dtype=np.float32)).to_host() == 6.0


@pytest.mark.parametrize("name", ["cuda", "rocm"])
def test_gpu_modules_compile_without_a_gpu(name: str) -> None:
    assert compile_module(SUM, BACKENDS[name].compile_flags(), "sum").path.stat().st_size > 0
