"""Both programs in f64 from states of a run: what only a trained network shows, and its test."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.commands import verify
from harness.run.cell_plan import CellPlan
from harness.run.contract import MAX_STEPS, NO_SHUFFLE, RUN_STEPS, TRACE_CHANNELS
from harness.run.policy import Policy
from harness.run.run_cells import run_cells
from harness.run.saved_states import SavedStates
from harness.run.states_run import run_from_states
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.spec.run_config import RunConfig
from harness.system.scratch import temporary_root
from harness.trace.evaluations import evaluations_path, read_evaluations
from harness.trace.manifest import Manifest
from harness.trace.recording import read_recording
from harness.trace.store import StoredCell, read_store
from harness.verdict.compare import Judging, compare, compare_parts
from harness.verdict.evidence import Beside, Evidence, FromStates
from harness.verdict.judge import judge
from harness.verdict.pairs import judge_cells
from tests.support.sample_traces import recording
from tests.support.tiny_programs import CONFIG, GRAPH, SPEC, TEST, Programs

pytestmark = pytest.mark.usefixtures("own_temporary_root")
STEPS, PARTS = 24, "9+4,17+6,25+0"
RATE = "                lr = learning_rate(step, steps_per_epoch)\n"
LOGITS = "        logits.append(np.asarray(predict(params, stats, make_batch(images, rows))))\n"


def quiet(step: int, loss: float, seconds: float) -> None:
    """Nobody waits."""


class Sides:
    """Phase 2's script, as it is or changed, and phase 3, from states of phase 2."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.saved = SavedStates(folder / "states", [9, 17, 25])
        self.saved.folder.mkdir()
        environment = {**self.saved.environment, MAX_STEPS: str(STEPS), NO_SHUFFLE: "1"}
        self.free = programs.run("phase2", folder / "free", **environment)

    def run(self, name: str, change: str = "", by: str = "") -> tuple[CellPlan, tuple[Manifest, Manifest]]:
        python, script = self.programs.command("phase2", "f64")
        text = Path(script).read_text()
        assert not change or text.count(change) == 1
        changed = self.folder / f"{name}.py"
        changed.write_text(text.replace(change, by) if change else text)
        commands = {"phase2": (python, str(changed)), "phase3": self.programs.command("phase3", "f64")}
        environment = {RUN_STEPS: PARTS, NO_SHUFFLE: "1", TRACE_CHANNELS: "all", "JAX_PLATFORMS": "cpu"}
        first, second = (
            CellPlan(f"{name}-{side}", (*command, str(self.programs.data)), self.folder, environment, planned_steps=10)
            for side, command in commands.items()
        )
        return second, run_from_states((first, second), self.saved, (quiet, quiet))

    def judged(self, name: str, change: str = "", by: str = "") -> Evidence:
        second, ran = self.run(name, change, by)
        assert [manifest.status for manifest in ran] == ["complete"] * 2, ran
        a, b = (read_recording(self.folder / f"{name}-{side}.jsonl", allow_parts=True) for side in ("phase2", "phase3"))
        pair = FromStates(compare_parts(a, b), read_evaluations(evaluations_path(second.trace)).states)
        whole = recording([2.0, 1.5, 1.25])
        verdict = judge(compare(whole, whole), Beside(from_states=pair))
        return next(line for line in verdict.evidence if line.gate == "states")


@pytest.fixture(scope="module")
def sides(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    return Sides(programs, tmp_path_factory.mktemp("sides"))


def test_right_sides_agree_from_each_state(sides: Sides) -> None:
    found = sides.judged("right")
    assert found.outcome == "pass", found
    assert found.numbers["states"] == 3
    assert 0 < found.numbers["logits_apart"] < 1e-12
    assert 0 < found.numbers["steps_apart"] < 1e-11
    assert f"logits of {TEST} test images" in found.line
    assert not list(temporary_root().iterdir()), "logits are gone"


@pytest.mark.parametrize(
    ("name", "line", "wrong", "place", "fault"),
    [
        ("test", LOGITS, LOGITS.replace("make_batch(", "1.001 * make_batch("), "state before step 9", "training"),
        ("label", "data.test_labels[:1024].astype", "np.roll(data.test_labels, 1)[:1024].astype", "labels", "training"),
        ("rate", RATE, RATE + "                lr = lr * np.float32(1 + (step > 18) / 100)\n", "step 19", "schedule"),
        (
            "batch",
            "                rows = np.array(order[batch",
            "                batch = batch if step != 21 else 2\n                rows = np.array(order[batch",
            "step 21",
            "data",
        ),
        (
            "count",
            "DTYPE(lr), DTYPE(step))",
            "DTYPE(lr), DTYPE(step if step < 17 else step - 8))",
            "step 17, update",
            "optimizer",
        ),
    ],
)
def test_a_fault_that_only_a_trained_network_shows_is_found(
    sides: Sides, name: str, line: str, wrong: str, place: str, fault: str
) -> None:
    found = sides.judged(name, line, wrong)
    assert (found.outcome, found.fault) == ("fail", fault), found
    assert place in (found.place or "")


def test_a_side_without_logits_is_crashed(sides: Sides) -> None:
    second, (_, manifest) = sides.run(
        "mute", "                if logits_out:\n", "                if logits_out and first == 9:\n"
    )
    assert manifest.status == "crashed"
    assert "17.logits.safetensors: no logits" in (manifest.reason or "")
    assert not evaluations_path(second.trace).exists()


TINY = Model("tiny", SPEC, CONFIG, GRAPH, None, None)


def states_cells(cells: list[StoredCell]) -> list[StoredCell]:
    return [cell for cell in cells if cell.facts.states_of]


@pytest.mark.parametrize(("steps", "lockstep", "taken"), [(20, True, [8, 8]), (20, False, [8, 8]), (3, True, [0, 0])])
def test_verify_runs_its_pair_from_states_and_reads_them_back(
    programs: Programs, tmp_path: Path, steps: int, lockstep: bool, taken: list[int]
) -> None:
    asked = Verification(
        model=TINY, out=tmp_path, run=RunConfig(steps=steps), backends=("cpu",), data=str(programs.data), stress=False
    )
    asked = replace(asked, states=2, lockstep=lockstep)
    outcome = verify.verify(asked, Judging())
    of_states = states_cells(list(outcome.evidence))
    assert [cell.manifest.steps_written for cell in of_states] == taken
    (row,) = outcome.rows
    assert row.verdict is not None
    line = next(one for one in row.verdict.evidence if one.gate == "states")
    assert (row.verdict.status, line.outcome) == ("PASS", "pass"), row.verdict.sentence
    assert not list(temporary_root().iterdir()), "states are gone"
    stored = read_store([tmp_path / "traces"])
    assert not stored.problems
    (again,) = judge_cells(stored.cells, Judging())
    assert again.verdict is not None
    assert again.verdict.evidence == row.verdict.evidence
    if steps == 20 and lockstep:
        before = {cell.name: cell.manifest for cell in (*outcome.cells, *outcome.evidence)}
        resumed = run_cells(asked, Policy(resume=True))
        assert {cell.name: cell.manifest for cell in (*resumed.cells, *resumed.evidence)} == before
        of_states[1].trace.write_text("")
        (again,) = judge_cells(read_store([tmp_path / "traces"]).cells, Judging())
        assert again.verdict is not None
        assert (again.verdict.status, again.verdict.gate) == ("INCONCLUSIVE", "states")
        afresh = run_cells(asked, Policy(resume=True))  # the leader once more, for its states
        assert all(cell.complete for cell in states_cells(list(afresh.evidence)))


def test_a_leader_that_crashes_has_no_states(programs: Programs, tmp_path: Path) -> None:
    stopped = Verification(
        model=TINY, out=tmp_path, run=RunConfig(steps=20), backends=("cpu",), data=str(programs.data), timeout_s=0.1
    )
    ran = run_cells(stopped, Policy())
    assert not states_cells(list(ran.evidence))
    assert msgspec.structs.replace(ran.cells[0].manifest, reason=None).status == "timed-out"
