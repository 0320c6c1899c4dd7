"""Runs cells and leaves the judging to others: one, one with a follower, or all of a verification."""

from collections.abc import Callable
from dataclasses import replace

from harness.run.backends import presence
from harness.run.execute import unwritable
from harness.run.from_states import RunsFromStates
from harness.run.pipelines import MAIN
from harness.run.policy import CellsOfRun, Policy
from harness.run.progress import CellProgress
from harness.run.runner import Runner, prepared
from harness.run.saved_states import SavedStates, state_wishes
from harness.run.verification import Verification
from harness.trace.planned import add_planned
from harness.trace.store import StoredCell


def run_single(
    verification: Verification, pipeline: str, backend: str, announce: Callable[[Verification, int], None]
) -> StoredCell:
    """Run one cell. `announce`: is told the number of training images first. Raises: HarnessError for bad input."""
    with (
        prepared(verification) as runner,
        CellProgress() as progress,
        state_wishes(verification, runner.data.examples, ()) as wishes,
    ):
        announce(verification, runner.data.examples)
        asked = verification.cell(pipeline, backend)
        cell = runner.run(verification, asked, Policy(), progress, saved=wishes.of(asked))
        with unwritable(verification.folder):
            add_planned(verification.folder, verification.stem, cell.facts)
        return cell


def run_followed(
    verification: Verification, leader: tuple[str, str], follower: tuple[str, str]
) -> tuple[StoredCell, StoredCell]:
    """Run a cell, and in lockstep with it another, each given as pipeline and backend.

    Raises: HarnessError for unusable input.
    """
    with prepared(verification) as runner, CellProgress() as progress:
        cell = verification.cell(*leader)
        both = runner.run_lockstep(cell, verification.follow(cell, *follower), Policy(), progress, asked=True)
        with unwritable(verification.folder):
            for one in both:
                add_planned(verification.folder, verification.stem, one.facts)
        return both


def run_cells(verification: Verification, policy: Policy) -> CellsOfRun:
    """Run all cells, and leave the judging to others. Raises: HarnessError for unusable input."""
    with prepared(verification) as runner, CellProgress() as progress:
        return run_all(runner, policy, progress)


def run_all(runner: Runner, policy: Policy, progress: CellProgress) -> CellsOfRun:
    """Run every cell, and those that are evidence for them: lockstep runs beside their leaders, the rest after."""
    asked_for, examples = runner.verification, runner.data.examples
    runner.write_planned(asked_for.planned_facts(examples))
    cells: list[StoredCell] = []
    evidence: list[StoredCell] = []
    from_states = RunsFromStates(runner, policy, progress)
    leader: SavedStates | None = None
    with state_wishes(asked_for, examples, from_states.wanted) as wishes:
        for cell, asked in asked_for.planned_cells():
            follow = asked_for.followers(cell, asked_for.planned_steps(examples))
            followers = [one for one in follow if presence(one[1].backend, one[1].pipeline)]
            wanted = wishes.of(cell)
            leader = wanted if (cell.pipeline, cell.backend) == (MAIN[0], "cpu") else leader
            # A leader that has run is run again where its states are wanted: they are gone.
            fresh = policy if wanted is None else replace(policy, resume=False)
            if not followers or not presence(cell.backend, cell.pipeline):
                cells.append(runner.run(asked_for, cell, fresh, progress, asked=asked, saved=wanted))
                continue
            for followed in followers:  # a leader runs once with each: its states are gone with the first
                led, behind = runner.run_lockstep(cell, followed, fresh, progress, asked=asked, saved=wanted)
                evidence.append(behind)
            cells.append(led)
        evidence += [runner.run(one, cell, policy, progress) for one, cell in asked_for.planned_evidence(cells)]
        complete = [cell.facts.pipeline for cell in cells if cell.complete and cell.facts.backend == "cpu"]
        evidence += from_states.run(leader, complete)
    runner.write_planned(cell.facts for cell in (*cells, *evidence))
    return CellsOfRun(tuple(cells), tuple(evidence))
