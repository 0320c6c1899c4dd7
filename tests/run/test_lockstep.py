"""Lockstep runs: a leader and a follower that run at a time, however either of them ends."""

import re
import sys
import tempfile
from pathlib import Path

import pytest

from harness.run.cell_plan import CellPlan
from harness.run.contract import MAX_STEPS, NO_SHUFFLE
from harness.run.lockstep import ROOM, ComparedStates, LockstepRun, run_lockstep
from harness.run.saved_states import SavedStates
from harness.system.scratch import temporary_root
from harness.trace.recording import Recording, read_recording
from harness.trace.segments import read_segments, segments_path
from harness.trace.state import state_path
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Lockstep
from harness.verdict.judge import Verdict, judge
from tests.support.misbehaving_cells import PREAMBLE
from tests.support.tiny_programs import Programs

pytestmark = pytest.mark.usefixtures("own_temporary_root")
STEPS = 40
# Trains one number: writes its state before every second step, and takes the leader's where it has one.
PROGRAM = (
    PREAMBLE
    + """
import numpy as np
from pathlib import Path
from harness.trace.state import read_state, wait_for_state, write_state
out, room = Path(os.environ["HARNESS_STATE_OUT"]), int(os.environ["HARNESS_STATE_ROOM"])
source, every = os.environ.get("HARNESS_STATE_IN"), int(os.environ["HARNESS_STATE_STEPS"])
x, most = np.full(3, 1.0, np.float32), 0
header(LAST)
for k in range(1, LAST + 2):
    if (k - 1) % every == 0 or k == LAST + 1:
        write_state(out, k, {"x": x}, "f32", room)
        most = max(most, len(list(out.iterdir())))
        if source and k <= LAST:
            x = read_state(wait_for_state(Path(source), k))["x"]
    if k <= LAST:
        HOOK
        x = x * np.float32(1.01)
        step(k)
print("most", most, file=sys.stderr)
"""
)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other runs of this machine have scratch folders too


def plan(folder: Path, name: str, hook: str = "pass", steps: int = 10) -> CellPlan:
    program = folder / f"{name}.py"
    program.write_text(PROGRAM.replace("LAST", str(steps)).replace("HOOK", hook, 1))
    return CellPlan(name, (sys.executable, str(program)), folder / "traces", planned_steps=steps)


def lockstep(folder: Path, leading: str = "pass", following: str = "pass") -> LockstepRun:
    found = run_lockstep(plan(folder, "leader", leading), plan(folder, "follower", following), 2)
    assert not list(temporary_root().iterdir()), "states are gone"
    return found


def test_states_are_compared_at_every_second_step_and_none_is_left(tmp_path: Path) -> None:
    found = lockstep(tmp_path, following="time.sleep(0.05)")
    assert (found.leader.status, found.follower.status) == ("complete", "complete")
    assert found.segments == read_segments(segments_path(tmp_path / "traces" / "follower.jsonl"))
    assert found.segments is not None
    assert (found.segments.planned, found.segments.tensors) == (5, ["x"])
    assert [(end.first, end.step) for end in found.segments.ends] == [(1, 3), (3, 5), (5, 7), (7, 9), (9, 11)]
    for end in found.segments.ends:
        (x,) = end.distances
        assert (x.apart, x.moved > 0, x.size > x.moved) == (0, True, True)
    most = int(found.leader.stderr_tail.split()[-1])  # the leader waited for the slower follower
    assert most <= ROOM


def test_what_the_follower_does_otherwise_is_in_its_segment(tmp_path: Path) -> None:
    found = lockstep(tmp_path, following="x = x + (k == 6)")
    assert found.segments is not None
    assert [end.step for end in found.segments.ends if end.distances[0].apart] == [7]


def test_states_of_a_leader_that_ends_at_once_are_taken_as_well(tmp_path: Path) -> None:
    led, followed, kept = (tmp_path / name for name in ("led", "followed", "kept"))
    for folder in (led, followed, kept):
        folder.mkdir()
    for step in (1, 3, 5):
        state_path(led, step).write_bytes(b"")
    states = ComparedStates("leader", 2, 4, SavedStates(kept, [3, 5]))
    states.follower_ended()
    states.leader_ended()
    states.watch(led, followed, lambda: True)  # both are over before it looks
    assert sorted(path.name for path in kept.iterdir()) == ["3.safetensors", "5.safetensors"]
    assert not list(led.iterdir())


def test_a_follower_that_ends_before_its_leader_is_compared_whole(tmp_path: Path) -> None:
    found = lockstep(tmp_path, leading="if k > 8: time.sleep(0.3)")
    assert found.segments is not None
    assert [end.step for end in found.segments.ends] == [3, 5, 7, 9, 11]


def test_states_that_are_wanted_stay_though_the_follower_dies(tmp_path: Path) -> None:
    saved = SavedStates(tmp_path / "saved", [5, 11])
    saved.folder.mkdir()
    dying = plan(tmp_path, "follower", "os.abort() if k == 4 else None")
    found = run_lockstep(plan(tmp_path, "leader"), dying, 2, saved=saved)
    assert (found.leader.status, found.follower.status) == ("complete", "crashed")
    assert sorted(path.name for path in saved.folder.iterdir()) == ["11.safetensors", "5.safetensors"]
    assert not list(temporary_root().iterdir())


@pytest.mark.parametrize(
    ("leading", "following", "leader", "follower", "reason"),
    [
        ("pass", "if k == 5: sys.exit(3)", "complete", "crashed", "exit code 3"),
        ("if k == 5: sys.exit(3)", "pass", "crashed", "interrupted", "its leader leader is crashed"),
        (
            "pass",
            "x = np.zeros(4, np.float32); time.sleep(0.2)",
            "complete",
            "interrupted",
            "have other tensors in the leader than in",
        ),
        ("pass", "if k == 5: os.kill(os.getpid(), 9)", "complete", "crashed", "killed by SIGKILL"),
        ("if k == 2: every = 100", "pass", "complete", "interrupted", "did not write the state before step 3"),
    ],
    ids=["follower", "leader", "shape", "killed", "no more states"],
)
def test_one_that_ends_early_does_not_keep_the_other(
    tmp_path: Path, leading: str, following: str, leader: str, follower: str, reason: str
) -> None:
    found = lockstep(tmp_path, leading, following)
    assert (found.leader.status, found.follower.status) == (leader, follower)
    assert reason in (found.follower.reason or "")
    assert found.segments is None
    assert not segments_path(tmp_path / "traces" / "follower.jsonl").exists()


@pytest.fixture(scope="module")
def real(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> "Pair":
    return Pair(programs, tmp_path_factory.mktemp("real"))


class Pair:
    """The tiny network's two programs, phase 2 leading."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs, self.folder = programs, folder

    def plan(self, name: str, command: tuple[str, ...]) -> CellPlan:
        environment = {MAX_STEPS: str(STEPS), NO_SHUFFLE: "1", "JAX_PLATFORMS": "cpu"}
        words = (*command, str(self.programs.data))
        return CellPlan(name, words, self.folder / "traces", environment, planned_steps=STEPS)

    def run(self, name: str, change: str, by: str = "") -> LockstepRun:
        """`change`: a line of phase 2's script, and what comes in its place."""
        python, script = self.programs.command("phase2")
        text = Path(script).read_text()
        if change:
            assert text.count(change) == 1
        changed = self.folder / f"{name}.py"
        changed.write_text(text.replace(change, by) if change else text)
        leader = self.plan(f"{name}-2", (python, str(changed)))
        return run_lockstep(leader, self.plan(f"{name}-3", self.programs.command("phase3")), 4)

    def read(self, name: str) -> Recording:
        return read_recording(self.folder / "traces" / f"{name}.jsonl")

    def judged(self, name: str, found: LockstepRun) -> Verdict:
        """Side B is the follower as if it had run free: only lockstep can tell."""
        assert found.segments is not None, found.follower
        leader, follower = self.read(f"{name}-2"), self.read(f"{name}-3")
        pair = Lockstep(compare(leader, follower, Judging(all_steps=True)), found.segments)
        return judge(compare(leader, leader), Beside(lockstep=pair))


def test_a_right_pair_passes_and_its_leader_is_the_free_run_to_the_last_bit(real: Pair, tmp_path: Path) -> None:
    found = real.run("right", "")
    verdict = real.judged("right", found)
    assert (verdict.status, verdict.coverage and verdict.coverage.judged) == ("PASS", STEPS), verdict.sentence
    free = real.programs.run("phase2", tmp_path / "alone", **{MAX_STEPS: str(STEPS), NO_SHUFFLE: "1"})
    assert free.column("loss") == real.read("right-2").trace.loss.tolist()


RATE = "                lr = learning_rate(step, steps_per_epoch)\n"
ROWS = "                rows = np.array(order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE])\n"
SLOTS = "                if step == 30: slots = slots | {'m': jax.tree.map(jnp.zeros_like, slots['m'])}\n"


@pytest.mark.parametrize(
    ("name", "line", "wrong"),
    [
        ("rate", RATE, RATE + "                lr = lr * np.float32(1.02 if step == 30 else 1)\n"),
        ("batch", ROWS, ROWS + "                rows = rows if step != 30 else (rows + 1) % 40\n"),
        ("momentum", RATE, RATE + SLOTS),
        ("count", "DTYPE(lr), DTYPE(step))", "DTYPE(lr), DTYPE(step if step < 30 else step - 20))"),
    ],
)
def test_a_late_fault_is_found_where_it_is(real: Pair, name: str, line: str, wrong: str) -> None:
    verdict = real.judged(name, real.run(name, line, wrong))
    assert (verdict.status, verdict.gate) == ("FAIL", "lockstep"), verdict.sentence
    assert 29 <= int(re.findall(r"\d+", verdict.place or "")[0]) <= 33, verdict.sentence
