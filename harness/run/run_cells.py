"""Runs cells and leaves the judging to others: one, one with a follower, or all of a verification."""

from collections.abc import Callable

from harness.run.execute import unwritable
from harness.run.policy import CellsOfRun, Policy
from harness.run.progress import CellProgress
from harness.run.runner import prepared
from harness.run.saved_states import state_wishes
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
        state_wishes(verification, runner.data.examples, None) as wishes,
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
        return runner.run_all(policy, progress)
