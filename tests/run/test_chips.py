"""Chips as drivers, tools and kernel modules tell them, in their own words; and which one a module is compiled for."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BackendError
from harness.run import chips, probing
from harness.run.backends import BACKENDS, presence
from harness.run.chips import ChipTarget, ask_nvidia_smi, chip_name, read_kfd, read_nvidia_smi, stand_in
from harness.run.compile import compile_module
from harness.run.probe import about, choose

# IREE's CUDA and HIP drivers, as `iree-run-module --dump_devices` prints them, and its Vulkan driver on llvmpipe.
CUDA_DUMP = """
- gpu-compute-capability: 9.0
- gpu-arch-name: sm_90

- launch-max-block-dims: (1024, 1024, 64)
"""
HIP_DUMP = """- amdhip64_dylib_path: /opt/rocm-6.1.3/lib/libamdhip64.so
- gpu-compute-capability: 9.0
- gpu-arch-name: gfx90a:sramecc+:xnack-
"""
VULKAN_DUMP = """name: llvmpipe (LLVM 15.0.6, 256 bits)
path: GPU-6d65736132322e332e36000000000000
api: 1.3.230
type: cpu
driver: llvmpipe
driver_info: Mesa 22.3.6 (LLVM 15.0.6)
features: bufferDeviceAddress=yes timelineSemaphore=yes
"""
# /sys/class/kfd/kfd/topology/nodes/*/properties, in part: a processor, an MI300, and an NVIDIA GPU.
KFD = {
    "0": "cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\nvendor_id 4098\n",
    "10": "cpu_cores_count 0\nsimd_count 1216\ngfx_target_version 90402\nvendor_id 4098\ndevice_id 29857\n",
    "2": "cpu_cores_count 0\nsimd_count 32\ngfx_target_version 110000\nvendor_id 4318\n",
}


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("IREE_CHIP", "IREE_DEVICE", "HARNESS_IREE_TARGET_CPU"):
        monkeypatch.delenv(name, raising=False)
    presence.cache_clear()
    yield
    presence.cache_clear()


def topology(folder: Path, nodes: dict[str, str]) -> Path:
    for name, properties in nodes.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "properties").write_text(properties)
    return folder


def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, told: dict[str, object] | None) -> None:
    """A GPU whose device file is there; its driver tells this, or fails."""
    (tmp_path / "device").touch()
    monkeypatch.setitem(BACKENDS, name, dataclasses.replace(BACKENDS[name], device_files=(str(tmp_path / "device"),)))

    def ask(*_: object) -> dict[str, object]:
        if told is None:
            raise BackendError("no module named iree")
        return {"device": "GPU", "count": 1, "driver": "", "python": "3.12.1", "versions": {}, **told}

    monkeypatch.setattr("harness.run.backends.ask_runtime", ask)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("8.9", "sm_89"),
        ("12.0", "sm_120"),
        ("gfx1100", "gfx1100"),
        ("gfx90a:sramecc+:xnack-", "gfx90a"),
        ("[N/A]", ""),
        ("", ""),
    ],
)
def test_a_chip_has_one_name(told: str, name: str) -> None:
    assert chip_name(told) == name


def test_a_tool_tells_a_line_a_gpu() -> None:
    assert read_nvidia_smi("9.0\n9.0\n") == ["sm_90", "sm_90"]
    assert read_nvidia_smi('Field "compute_cap" is not a valid field to query.\n') == []


def test_the_kernel_tells_amd_gpus_in_the_order_of_nodes(tmp_path: Path) -> None:
    nodes = topology(tmp_path, KFD | {"3": "gfx_target_version 90010\n", "²": "gfx_target_version 90008\n"})
    assert read_kfd(nodes) == ["gfx90a", "gfx942"]
    assert read_kfd(tmp_path / "none") == []


def test_a_driver_tells_what_is_used_of_it() -> None:
    assert about(CUDA_DUMP)["gpu-compute-capability"] == "9.0"
    assert chip_name(about(HIP_DUMP)["gpu-arch-name"]) == "gfx90a"
    assert about(VULKAN_DUMP) == {
        "name": "llvmpipe (LLVM 15.0.6, 256 bits)",
        "type": "cpu",
        "driver": "llvmpipe",
        "driver_info": "Mesa 22.3.6 (LLVM 15.0.6)",
    }
    assert about("") == {}


def test_a_device_is_chosen_by_its_number_or_path() -> None:
    devices = [{"path": "GPU-a"}, {"path": "GPU-b"}]
    found = [choose(devices, path, by_number=True) for path in ("", "1", "GPU-b", "GPU-c", "7")]
    assert found == [devices[0], devices[1], devices[1], None, None]
    assert choose(devices, "1", by_number=False) is None


def test_a_chip_that_the_compiler_does_not_know_gets_code_for_an_older_one() -> None:
    known = BACKENDS["cuda"].chips
    found = {chip: stand_in(chip, known) for chip in ("sm_90", "sm_100", "sm_90a", "sm_89", "sm_121", "sm_52")}
    assert found == {
        "sm_90": "sm_89",
        "sm_100": "sm_89",
        "sm_90a": "sm_89",
        "sm_89": "sm_89",
        "sm_121": "sm_121",
        "sm_52": "sm_52",
    }


def test_the_driver_of_the_device_names_the_chip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu(monkeypatch, tmp_path, "cuda", {"chip": "9.0"})
    assert BACKENDS["cuda"].target() == ChipTarget("sm_90", "IREE's cuda driver", "sm_89")
    assert BACKENDS["cuda"].compile_flags()[-1] == "--iree-cuda-target=sm_89"
    monkeypatch.setenv("IREE_CHIP", "sm_80")
    assert BACKENDS["cuda"].target() == ChipTarget("sm_80", "IREE_CHIP", "sm_80")


def test_an_amd_chip_is_no_stand_in_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpu(monkeypatch, tmp_path, "rocm", {"chip": "gfx1102"})
    assert BACKENDS["rocm"].target() == ChipTarget("gfx1102", "IREE's hip driver", "gfx1102")


def test_without_an_answer_of_the_driver_tools_are_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$1" = --query-gpu=compute_cap ] && printf "8.0\\n8.0\\n"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    gpu(monkeypatch, tmp_path, "cuda", None)
    assert BACKENDS["cuda"].target() == ChipTarget("sm_80", "nvidia-smi", "sm_80")
    monkeypatch.setattr(chips, "KFD_NODES", topology(tmp_path / "nodes", KFD))
    gpu(monkeypatch, tmp_path, "rocm", {})
    assert BACKENDS["rocm"].target() == ChipTarget("gfx942", str(tmp_path / "nodes"), "gfx942")
    tool.write_text('#!/bin/sh\nprintf "8.0\\n9.0\\n"\n')
    message = r"^nvidia-smi lists GPUs of several kinds \(sm_80, sm_90\)\. Name one of them in IREE_CHIP\.$"
    with pytest.raises(BackendError, match=message):
        BACKENDS["cuda"].target()
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert ask_nvidia_smi() == []
    assert BACKENDS["cuda"].target() == ChipTarget("sm_89", "default", "sm_89")


def test_no_device_is_the_default_of_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "Child", None)
    for name, chip in (("cuda", "sm_89"), ("rocm", "gfx1100")):
        monkeypatch.setitem(BACKENDS, name, dataclasses.replace(BACKENDS[name], device_files=("./no-such-device",)))
        assert BACKENDS[name].target() == ChipTarget(chip, "default", chip)


ONE_OPERATION = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }"


@pytest.mark.parametrize(("name", "chip"), [(row.name, chip) for row in BACKENDS.values() for chip in row.chips])
def test_the_compiler_knows_the_chips_of_the_table(name: str, chip: str) -> None:
    row = BACKENDS[name]
    double = ONE_OPERATION.replace("{", "{ %y = stablehlo.add %x, %x : tensor<4xf32>").replace("return %x", "return %y")
    code = compile_module(double, row.compile_flags(row.target(chip)), chip).path.read_bytes()
    assert chip.encode() in code
