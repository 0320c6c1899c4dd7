"""The leader's program again, from states of its run that are one unit in the last place away."""

import numpy as np
import pytest

from harness.commands import verify
from harness.run.cell_plan import CellPlan
from harness.run.contract import MAX_STEPS, NO_SHUFFLE, RUN_STEPS
from harness.run.parts_run import run_one_ulp_away, ulp_away
from harness.run.saved_states import SavedStates
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.spec.run_config import RunConfig
from harness.system.scratch import temporary_root
from harness.trace.parts import Part, format_parts
from harness.trace.recording import read_recording
from harness.trace.segments import read_segments, segments_path
from harness.trace.store import read_store
from harness.verdict.compare import Judging
from harness.verdict.pairs import judge_cells
from tests.support.tiny_programs import CONFIG, GRAPH, SPEC, Programs

pytestmark = pytest.mark.usefixtures("own_temporary_root")
PARTS = (Part(9, 8), Part(25, 8))


def test_every_number_is_one_unit_away() -> None:
    x = np.array([[1.0, -2.5], [0.0, 1e-40]], np.float32)
    moved = ulp_away(x, np.random.default_rng(1))
    assert moved.dtype == x.dtype
    assert moved.shape == x.shape
    up, down = np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))
    assert ((moved == up) | (moved == down)).all()
    assert not (moved == x).any()


def test_how_far_an_ulp_leads_is_written_beside_the_trace(programs: Programs, tmp_path) -> None:
    saved = SavedStates(tmp_path / "states", [9, 17, 25, 33])
    saved.folder.mkdir()
    programs.run("phase2", tmp_path / "free", **{**saved.environment, MAX_STEPS: "32", NO_SHUFFLE: "1"})
    environment = {RUN_STEPS: format_parts(PARTS), NO_SHUFFLE: "1", "JAX_PLATFORMS": "cpu"}
    command = (*programs.command("phase2"), str(programs.data))
    plan = CellPlan("near", command, tmp_path, environment, planned_steps=16)
    ran = run_one_ulp_away(plan, "phase2", PARTS, saved.folder, 0, lambda *_: None)
    assert ran.status == "complete", ran
    found = read_segments(segments_path(plan.trace))
    assert [(end.first, end.step) for end in found.ends] == [(9, 17), (25, 33)]
    apart = [x.apart / x.moved for end in found.ends for x in end.distances]
    assert 0 < max(apart) < 1e-3, "an ulp stays little within a segment of a small network"
    whole = read_recording(tmp_path / "free" / "trace").trace
    parts = read_recording(plan.trace, allow_parts=True).trace
    steps = [step for part in PARTS for step in part.steps]
    difference = np.abs(parts.loss[parts.rows(steps)] - whole.loss[whole.rows(steps)])
    assert 0 < difference.max() < 1e-4
    assert not list(temporary_root().iterdir()), "states are gone"


def test_without_a_state_of_the_leader_it_is_refused(tmp_path) -> None:
    plan = CellPlan("near", ("false",), tmp_path, planned_steps=16)
    ran = run_one_ulp_away(plan, "phase2", PARTS, tmp_path / "states", 0, lambda *_: None)
    assert (ran.status, ran.reason) == ("refused", "the leader's state 9.safetensors: no state: there is no such file.")


def test_verify_runs_it_and_judges_by_it(programs: Programs, tmp_path) -> None:
    asked = Verification(
        model=Model("tiny", SPEC, CONFIG, GRAPH, None, None),
        out=tmp_path,
        run=RunConfig(steps=56),
        backends=("cpu",),
        data=str(programs.data),
        f64_check=False,
    )
    outcome = verify.verify(asked, Judging())
    (near,) = [cell for cell in outcome.evidence if cell.facts.ulp_seed is not None]
    assert near.complete
    assert near.name.endswith(".states-of-phase2.ulp0")
    cells = read_store([tmp_path]).cells
    (row,) = judge_cells([cell for cell in cells if cell.counts or cell.facts.evidence], Judging())
    assert row.verdict is not None
    line = next(line for line in row.verdict.evidence if line.gate == "lockstep")
    assert (row.verdict.status, line.outcome) == ("PASS", "pass"), line
    assert "as an ulp leads" in line.line
    path = segments_path(near.trace)
    path.write_text(path.read_text().replace('"planned":', '"planned":1'))
    (row,) = judge_cells(read_store([tmp_path]).cells, Judging())
    assert row.verdict is not None
    assert (row.verdict.status, row.verdict.gate) == ("INCONCLUSIVE", "lockstep")
