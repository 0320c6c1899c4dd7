"""Backends that need no GPU beside the processor's own: what they serve, how they are told, how long they run."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.run import software
from harness.run.backends import BACKENDS, DEFAULT_BACKENDS, presence
from harness.run.probing import Presence
from harness.run.software import with_software_steps
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.spec.run_config import RunConfig

NO_DRIVER = {"VK_ICD_FILENAMES": "/nowhere", "VK_DRIVER_FILES": "/nowhere"}
LLVMPIPE = Presence("llvmpipe (LLVM 15.0.6, 256 bits)", software=True)


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("IREE_DEVICE", raising=False)
    presence.cache_clear()
    yield
    presence.cache_clear()


def verification(tmp_path: Path, *backends: str, steps: int | None = None) -> Verification:
    named = backends or None
    return Verification(model=load_model("mnist_mlp"), out=tmp_path, run=RunConfig(steps=steps), backends=named)


def test_they_run_only_where_they_are_named(tmp_path: Path) -> None:
    assert DEFAULT_BACKENDS == ("cpu", "cuda", "rocm")
    planned = verification(tmp_path).planned_cells()
    assert {cell.backend for cell, _ in planned} == set(DEFAULT_BACKENDS)


def test_what_has_no_compiler_for_them_has_no_cell_there(tmp_path: Path) -> None:
    asked = dataclasses.replace(verification(tmp_path, "cpu", "vulkan", "vmvx"), factorial=True, interpreter=True)
    cells = [(cell.pipeline, cell.backend) for cell, _ in asked.planned_cells()]
    assert [pipeline for pipeline, backend in cells if backend == "vulkan"] == ["phase3", "phase2-iree"]
    assert [backend for pipeline, backend in cells if pipeline == "phase3-interpreter"] == ["cpu"]
    assert presence("vulkan", "phase2") == Presence(None, "no phase2 for vulkan")


def test_phase_3_elsewhere_follows_the_one_on_the_first_backend(tmp_path: Path) -> None:
    asked = verification(tmp_path, "cpu", "vulkan", "vmvx")

    def behind(pipeline: str, backend: str, steps: int = 20) -> list[tuple[str, str | None]]:
        found = asked.followers(asked.cell(pipeline, backend), steps)
        return [(f"{cell.pipeline}-{cell.backend}", cell.run.follows) for _, cell in found]

    assert behind("phase2", "cpu") == [("phase3-cpu", "phase2")]
    assert behind("phase3", "cpu") == [("phase3-vulkan", "phase3-cpu"), ("phase3-vmvx", "phase3-cpu")]
    assert behind("phase3", "vulkan") == behind("phase3", "cpu", 8) == []
    planned = [facts.name for facts in asked.planned_facts(60000) if facts.follows == "phase3-cpu"]
    assert len(planned) == 2


def test_without_a_driver_it_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NO_DRIVER.items():
        monkeypatch.setenv(name, value)
    found = presence("vulkan", "phase3")
    assert not found
    assert found.reason.startswith("no Vulkan device (")
    assert found.reason.endswith("`apt-get install mesa-vulkan-drivers` brings one that needs no GPU")
    assert "\n" not in found.reason


def test_a_device_that_is_not_there_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    if not presence("vulkan", "phase3"):
        pytest.skip("no Vulkan driver")
    presence.cache_clear()
    monkeypatch.setenv("IREE_DEVICE", "vulkan://7")
    found = presence("vulkan", "phase3")
    assert "IREE_DEVICE names '7', and the vulkan driver has GPU-" in found.reason


def test_the_interpreter_of_byte_code_is_a_processor() -> None:
    found = presence("vmvx", "phase3")
    assert (found.device, found.software) == ("interpreter of IREE's byte code", True)


def test_a_processor_takes_fewer_steps_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(software, "presence", lambda name, _: LLVMPIPE)
    found, line = with_software_steps(verification(tmp_path, "cpu", "vulkan", steps=200))
    assert found.run.steps == BACKENDS["vulkan"].software_steps == 20
    assert line == (
        "20 steps, since vulkan is a processor here (llvmpipe (LLVM 15.0.6, 256 bits)); --steps takes another number."
    )
    for asked in (verification(tmp_path, "cpu", "vulkan", steps=5), verification(tmp_path, steps=200)):
        assert with_software_steps(asked) == (asked, "")
    monkeypatch.setattr(software, "presence", lambda name, _: Presence("NVIDIA L4"))
    asked = verification(tmp_path, "cpu", "vulkan", steps=200)
    assert with_software_steps(asked) == (asked, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "mnist_mlp", "--backends", "vulkan"], "Name cpu as well."),
        (
            ["run", "mnist_mlp", "--pipeline", "phase2", "--backend", "vulkan"],
            "phase2 has no compiler for vulkan. Take one that has: phase2-iree, phase3.",
        ),
        (["compile", "mnist_mlp", "--targets", "sm_89,metal"], "unknown target 'metal'; known are cpu, cuda,"),
        (["compile", "mnist_mlp", "--targets", "sm_89", "--backends", "cpu"], "give one of them."),
    ],
)
def test_what_makes_no_sense_is_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)] if words[0] != "compile" else []
    done = CliRunner().invoke(main, [*words, *out])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
