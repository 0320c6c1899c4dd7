"""The runs of a verification that begin at states of its leader: the pair in f64, and the leader an ulp away."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from harness.run.cell_plan import CellPlan
from harness.run.execute import refuse
from harness.run.kept import find_ended
from harness.run.parts_run import run_one_ulp_away
from harness.run.pipelines import MAIN
from harness.run.policy import Policy
from harness.run.progress import CellProgress
from harness.run.runner import Runner
from harness.run.saved_states import SavedStates
from harness.run.states_run import run_from_states
from harness.run.verification import Verification
from harness.trace.evaluations import evaluations_path
from harness.trace.parts import Part, parse_parts
from harness.trace.segments import segments_path
from harness.trace.store import StoredCell

_Cells = tuple[StoredCell, ...]


class RunsFromStates:
    """Those of a verification, whose leader is phase 2 on the CPU.

    `wanted`: the steps whose states the leader has to leave, for those that have not run exactly so before.
    """

    def __init__(self, runner: Runner, policy: Policy, progress: CellProgress) -> None:
        self._runner, self._policy, self._progress = runner, policy, progress
        asked, examples = runner.verification, runner.data.examples
        self._pair, self._near = asked.from_states(examples), asked.one_ulp_away(examples)
        self._ran_pair = self._kept(self._pair, MAIN, evaluations_path)
        self._ran_near = self._kept(self._near, MAIN[:1], segments_path)
        self.wanted: Collection[int] = {
            *(part.first for part in parts_of(self._pair) if not self._ran_pair),
            *(step for part in parts_of(self._near) if not self._ran_near for step in (part.first, part.end)),
        }

    def run(self, saved: SavedStates | None, complete: Collection[str]) -> _Cells:
        """Run those that have not run. `saved`: the leader's states. `complete`: the pipelines that are, on the CPU."""
        pair, near = self._ran_pair, self._ran_near
        if saved is not None and set(MAIN) <= set(complete):
            if self._pair is not None and not pair:
                pair = run_pair_from_states(self._runner, self._pair, saved, self._policy, self._progress)
            if self._near is not None and not near:
                near = (run_near(self._runner, self._near, saved, self._policy, self._progress),)
        return *pair, *near

    def _kept(self, asked: Verification | None, pipelines: Sequence[str], beside: Callable[[Path], Path]) -> _Cells:
        """The cells of those pipelines, where all have run exactly so before; else none.

        `beside`: the path of what has to lie beside the last one's trace.
        """
        if asked is None or not self._policy.resume:
            return ()
        cells = [asked.cell(name, "cpu") for name in pipelines]
        places = [CellPlan(cell.name, (), asked.folder, facts=asked.facts(cell)) for cell in cells]
        if not (all(find_ended(plan) for plan in places) and beside(places[-1].trace).exists()):
            return ()
        found = [self._runner.prepare_cell(asked, cell, self._policy, self._progress) for cell in cells]
        kept = [cell for cell in found if isinstance(cell, StoredCell)]
        return tuple(kept) if len(kept) == len(found) else ()


def parts_of(asked: Verification | None) -> tuple[Part, ...]:
    """The parts that it takes of the run."""
    return () if asked is None or asked.run.run_steps is None else parse_parts(asked.run.run_steps)


def run_pair_from_states(
    runner: Runner, from_states: Verification, saved: SavedStates, policy: Policy, progress: CellProgress
) -> _Cells:
    """Run both pipelines from the leader's states, at a time."""
    fresh = replace(policy, resume=False)
    cells = [from_states.cell(name, "cpu") for name in MAIN]
    found = [runner.prepare_cell(from_states, cell, fresh, progress) for cell in cells]
    plans = [plan for plan in found if isinstance(plan, CellPlan)]
    if len(plans) < len(found):
        refused = "the other side cannot run from states"
        return tuple(runner.stored(one, refuse(one, refused)) if isinstance(one, CellPlan) else one for one in found)
    names = [runner.name_of(from_states, cell) for cell in cells]
    with (
        progress.running(names[0], plans[0].planned_steps, parts_of(from_states)) as on_first,
        progress.running(names[1], plans[1].planned_steps, parts_of(from_states)) as on_second,
    ):
        ran = run_from_states((plans[0], plans[1]), saved, (on_first, on_second))
    return tuple(runner.stored(plan, manifest) for plan, manifest in zip(plans, ran, strict=True))


def run_near(
    runner: Runner, near: Verification, saved: SavedStates, policy: Policy, progress: CellProgress
) -> StoredCell:
    """Run the leader again from its states, one unit in the last place away."""
    cell = near.cell(MAIN[0], "cpu")
    plan = runner.prepare_cell(near, cell, replace(policy, resume=False), progress)
    if isinstance(plan, StoredCell):
        return plan
    assert near.run.ulp_seed is not None
    with progress.running(runner.name_of(near, cell), plan.planned_steps, parts_of(near)) as on_progress:
        ran = run_one_ulp_away(plan, MAIN[0], parts_of(near), saved.folder, near.run.ulp_seed, on_progress)
    return runner.stored(plan, ran)
