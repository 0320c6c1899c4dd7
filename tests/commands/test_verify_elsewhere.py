"""A verification on backends that need no GPU, and without a compiler, from the command line to the report."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.errors import EmitError
from harness.run.backends import presence
from harness.run.cell import Cell
from harness.run.programs import prepare
from harness.spec.models import load_model
from harness.spec.run_config import RunConfig
from tests.support.own_network import NETWORK, write

STEPS = 10  # more than a segment of a lockstep run
SHORT = ["--data", "synthetic", "--no-f64-check", "--no-wide", "--states", "0"]


def test_phase_3_elsewhere_is_judged_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = "vulkan" if presence("vulkan", "phase3") else "vmvx"
    write(tmp_path, "tiny", NETWORK)
    words = ["tiny.py", "--steps", str(STEPS), "--backends", f"cpu,{there}", "--interpreter", *SHORT]
    done = CliRunner().invoke(main, ["verify", *words])
    assert done.exit_code == 0, done.output
    report = json.loads(Path("reports/tiny.json").read_text())
    names = [
        [Path(pair[side]["trace"]).name.removeprefix("tiny.").removesuffix(".jsonl") for side in "ab"]
        for pair in report["pairs"]
    ]
    assert list(zip(*zip(*names, strict=True), [pair["kind"] for pair in report["pairs"]], strict=True)) == [
        ("phase2-noshuf-cpu", "phase3-noshuf-cpu", "cross-compiler"),
        ("phase3-noshuf-cpu", "phase3-interpreter-noshuf-cpu", "same-derivation"),
        ("phase3-noshuf-cpu", f"phase3-noshuf-{there}", "cross-vendor"),
    ]
    interpreted = json.loads(Path("traces/tiny.phase3-interpreter-noshuf-cpu.manifest.json").read_text())
    assert interpreted["provenance"]["compiler"] == "none"
    coverage = report["pairs"][-1]["verdict"]["coverage"]
    assert coverage == {"judged": STEPS, "planned": STEPS, "by": "lockstep"}


def test_a_run_without_a_compiler_that_would_not_end_is_refused(tmp_path: Path) -> None:
    cell = Cell(load_model("mnist_mlp"), "phase3-interpreter", "cpu", RunConfig(steps=3))
    found = r"takes about 4\d\d s a step of batch 128, and 3 steps are asked for; expected at most 900 s in all\."
    with pytest.raises(EmitError, match=found):
        prepare(cell, tmp_path)
