"""`run --follow`, with somebody else's program on either side; what of a program that keeps its state to itself."""

import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import cli
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_cells
from tests.support.paths import ROOT
from tests.support.stored_cells import store

PROGRAM = shlex.join([sys.executable, str(ROOT / "examples/optax_mlp.py")])
STEPS = "20"


def run(out: Path, pipeline: str, follow: str, command: str = PROGRAM) -> Result:
    words = ["run", "mnist_mlp", "--pipeline", pipeline, "--follow", follow, "--steps", STEPS, "--out", str(out)]
    return CliRunner().invoke(cli.main, [*words, "--pipeline-cmd", f"optax={command}"])


@pytest.mark.parametrize(("pipeline", "follow"), [("phase2", "optax"), ("optax", "phase2-cpu")])
def test_a_program_of_somebody_else_leads_and_follows(tmp_path: Path, pipeline: str, follow: str) -> None:
    found = run(tmp_path, pipeline, follow)
    assert found.exit_code == 0, found.output
    leader = follow.removesuffix("-cpu")
    assert f"set to the state of {leader} 2 times" in " ".join(found.output.split())
    assert "20 of 20 steps are judged" in found.output
    cells = {cell.facts.pipeline: cell.facts for cell in read_store([tmp_path / "traces"]).cells}
    assert (cells[leader].follows, cells[pipeline].follows) == (None, leader)
    assert f"--follow {leader}" in str(cells[pipeline].command)


def test_a_program_that_keeps_its_state_to_itself_cannot_lead(tmp_path: Path) -> None:
    found = run(tmp_path, "phase2", "optax", f"env -u HARNESS_STATE_OUT {PROGRAM}")
    assert found.exit_code == 3
    assert "not run in lockstep: optax wrote no state to HARNESS_STATE_OUT" in " ".join(found.output.split())


def test_its_pairs_are_judged_without_and_say_so(tmp_path: Path) -> None:
    for pipeline, loss in (("phase2", 2.0), ("optax", 2.0 + 1e-7)):
        store(tmp_path, pipeline, [loss] * 20, steps=20)
    facts = {"steps": 20, "evidence": True, "follows": "optax", "segment": 8, "absent": True, "asked": False}
    store(tmp_path, "phase2", (), status="refused", reason="not run in lockstep: optax wrote no state", **facts)
    (row,) = judge_cells(read_store([tmp_path]).cells, Judging())
    assert row.verdict is not None
    (line,) = (line for line in row.verdict.evidence if line.gate == "lockstep")
    assert (line.outcome, line.line) == ("unreached", "not run in lockstep: optax wrote no state.")
    assert row.verdict.headline == "PASS on 8 of 20 steps"


def test_a_program_of_somebody_else_is_not_expected_from_states(tmp_path: Path) -> None:
    for pipeline, loss in (("phase2", 2.0), ("phase3", 2.0), ("torch", 2.0 + 1e-7)):
        store(tmp_path, pipeline, [loss] * 20, steps=20)
    facts = {"steps": 20, "evidence": True, "dtype": "f64", "states_of": "phase2", "run_steps": "9+0"}
    store(tmp_path, "phase2", (), status="crashed", reason="it ended early", **facts)
    rows = judge_cells(read_store([tmp_path]).cells, Judging())
    lines = {(row.a, row.b): line for row in rows for line in row.verdict.evidence if line.gate == "states"}
    assert lines["phase2-cpu", "torch-cpu"].outcome == "unreached"
    assert lines["phase3-cpu", "torch-cpu"].outcome == "unreached"
    assert lines["phase2-cpu", "phase3-cpu"].outcome == "inconclusive"


@pytest.mark.parametrize(
    ("follow", "told"), [("phase3", "a run cannot follow itself"), ("phase9", "unknown pipeline 'phase9'")]
)
def test_a_leader_that_cannot_be_is_one_line(tmp_path: Path, follow: str, told: str) -> None:
    found = CliRunner().invoke(
        cli.main, ["run", "mnist_mlp", "--pipeline", "phase3", "--follow", follow, "--out", str(tmp_path)]
    )
    assert found.exit_code == 2
    assert told in found.output
