"""Runs cells and leaves the judging to others: one, one with a follower, or all of a verification."""

from harness.run.execute import unwritable
from harness.run.policy import Policy
from harness.run.progress import CellProgress
from harness.run.runner import CellsOfRun, prepared
from harness.run.verification import Verification
from harness.trace.planned import add_planned
from harness.trace.store import StoredCell


def run_single(verification: Verification, pipeline: str, backend: str) -> StoredCell:
    """Run one cell. Raises: HarnessError for unusable input."""
    with prepared(verification) as runner, CellProgress() as progress:
        cell = runner.run(verification, verification.cell(pipeline, backend), Policy(), progress)
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
