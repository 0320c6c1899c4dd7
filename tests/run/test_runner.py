"""What a runner gives the programs of a verification, seen by a program that is somebody else's."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.data.synthetic import write_synthetic
from harness.run.external import External
from harness.run.policy import Policy
from harness.run.progress import CellProgress
from harness.run.runner import Runner, prepared
from harness.run.verification import Verification
from harness.spec.models import load_model
from harness.spec.run_config import RunConfig
from harness.system.files import digest_of
from harness.trace.manifest import CellFacts, Manifest
from harness.trace.store import StoredCell
from tests.support.tiny_programs import FILES

MODEL = load_model("mnist_mlp")
PROGRAM = """
import json, os, pathlib, sys
start = pathlib.Path(os.environ["LEAN_MLIR_INIT_LOAD"])
told = {"dtype": os.environ["HARNESS_DTYPE"], "mode": start.stat().st_mode & 0o777}
pathlib.Path(sys.argv[1]).write_text(json.dumps(told))
with open(os.environ["LEAN_MLIR_TRACE_OUT"], "w") as trace:
    header = {"kind": "header", "phase": "lean", "netspec_name": "MNIST-MLP", "config": {}, "total_params": 1}
    trace.write(json.dumps(header | {"dataset": "mnist", "emitter_version": "1", "backend": "cuda"}) + "\\n")
    for k in range(1, 1 + int(os.environ["LEAN_MLIR_MAX_STEPS"])):
        trace.write(json.dumps({"kind": "step", "step": k, "epoch": 0, "loss": 1 / k, "lr": 0.1}) + "\\n")
if "spoil" in sys.argv:
    start.unlink()
    start.write_bytes(b"others")
"""


def lean(tmp_path: Path, *words: str) -> Verification:
    """Two steps of somebody else's program, on a folder of a few images."""
    (tmp_path / "program.py").write_text(PROGRAM)
    write_synthetic(tmp_path / "data", FILES, train=256, test=1)
    command = (sys.executable, str(tmp_path / "program.py"), str(tmp_path / "told"), *words)
    external = External("lean", command)
    run, data = RunConfig(steps=2), str(tmp_path / "data")
    return Verification(model=MODEL, out=tmp_path / "out", run=run, data=data, externals=(external,))


def ran(runner: Runner, verification: Verification) -> StoredCell:
    with CellProgress() as progress:
        return runner.run(verification, verification.cell("lean", "cpu"), Policy(), progress)


def test_a_program_is_told_its_precision_and_given_a_start_for_reading_only(tmp_path: Path) -> None:
    verification = lean(tmp_path)
    with prepared(verification) as runner:
        for asked, dtype in ((verification, "f32"), (verification.in_f64, "f64")):
            cell = ran(runner, asked)
            assert cell.complete
            assert json.loads((tmp_path / "told").read_text()) == {"dtype": dtype, "mode": 0o444}
            assert cell.manifest.provenance["environment"]["HARNESS_DTYPE"] == dtype


def test_a_manifest_tells_what_was_planned_and_a_header_that_differs_is_told(tmp_path: Path) -> None:
    verification = lean(tmp_path)
    with prepared(verification) as runner:
        cell = ran(runner, verification)
    told = cell.manifest.provenance
    assert (told["netspec_name"], told["planned_steps"]) == ("MNIST-MLP", 2)
    assert told["netspec_hash"] == MODEL.spec.netspec_hash()
    assert cell.read().contradictions == ("backend is cpu in the manifest and cuda in the trace",)


def test_a_start_that_a_program_has_spoilt_is_whole_for_the_next(tmp_path: Path) -> None:
    spoiling = lean(tmp_path, "spoil")
    (external,) = spoiling.externals
    good = replace(spoiling, externals=(External("lean", external.words[:-1]),))
    with prepared(spoiling) as runner:
        assert ran(runner, spoiling).manifest.status == "crashed"
        start = runner.starts["drawn"]
        assert digest_of(start.path) != start.sha256
        assert ran(replace(runner, verification=good), good).complete
        assert digest_of(start.path) == start.sha256
        start.path.unlink()
        assert ran(replace(runner, verification=good), good).complete


@pytest.mark.parametrize(
    ("complete", "expected"),
    [
        (("phase2", "phase3", "lean"), ["phase2", "phase3", "lean"]),
        (("phase2", "lean"), ["phase2", "lean"]),
        (("phase2", "phase3"), ["phase2", "phase3"]),
        (("lean",), []),
    ],
)
def test_what_is_run_as_evidence_asks_somebody_elses_program_too(
    complete: tuple[str, ...], expected: list[str]
) -> None:
    verification = Verification(model=MODEL, out=Path(), externals=(External("lean", ("x",)),))
    whole = Manifest(status="complete", trace_sha256="ab" * 32)
    cells = [
        StoredCell(CellFacts(model="mnist_mlp", pipeline=name, backend="cpu"), whole, Path(), Path())
        for name in complete
    ]
    planned = list(verification.planned_evidence(cells))
    assert all(one.is_evidence for one, _ in planned)
    runs = [(cell.pipeline, cell.run.dtype, cell.run.start, cell.run.steps) for _, cell in planned]
    kinds = (("f64", "drawn", 4), ("f32", "stressed", 1), ("f64", "stressed", 1))
    assert runs == [(name, *kind) for kind in kinds for name in expected]
    without = replace(verification, stress=False)
    assert [cell.run.dtype for _, cell in without.planned_evidence(cells)] == ["f64"] * len(expected)


def test_a_single_run_that_contradicts_its_plan_is_not_the_one_asked_for(tmp_path: Path) -> None:
    (external,) = (verification := lean(tmp_path)).externals
    words = ["run", "mnist_mlp", "--steps", "2", "--pipeline", "lean", "--out", str(verification.out)]
    words += ["--data", str(verification.data), "--pipeline-cmd", f"lean={shlex.join(external.words)}"]
    found = CliRunner().invoke(cli.main, words)
    assert found.exit_code == 3, found.output
    assert "backend is cpu in the manifest and cuda in the trace" in found.stdout
    (tmp_path / "program.py").write_text(PROGRAM.replace('"cuda"', '"cpu"'))
    assert CliRunner().invoke(cli.main, words).exit_code == 0
    assert [path.name for path in verification.folder.glob("*.planned.json")] == ["mnist_mlp.planned.json"]
