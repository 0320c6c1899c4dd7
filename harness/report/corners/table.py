"""The table of corners: for each network the pairs that cross compilers, platforms or vendors, free and in lockstep."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report.tables import show
from harness.run.pipelines import MAIN
from harness.verdict.pair import PairRow

COMPILER, PLATFORM, VENDOR = "cross-compiler", "cross-platform", "cross-vendor"
KINDS = (COMPILER, PLATFORM, VENDOR)
COLUMNS = ("pair", "step 1", "step 2", "median", "max", "max in lockstep")
MOST = 12  # pairs of one kind that the table has; the others are counted
NOT_RUN = "not run"


@dataclass(frozen=True)
class CornerRow:
    """A pair of the table. Differences of the losses in nats; None where the pair has no such step.

    `together`: the largest one in lockstep, see `most_together`.
    """

    row: PairRow
    step_1: float | None
    step_2: float | None
    median: float | None
    max: float | None
    together: float | None

    @property
    def shown(self) -> list[str]:
        """Under COLUMNS."""
        free = [show(value) for value in (self.step_1, self.step_2, self.median, self.max)]
        return [self.row.name, *free, NOT_RUN if self.together is None else show(self.together)]


@dataclass(frozen=True)
class CornerTable:
    """The pairs of one network between its corners."""

    network: str
    rows: tuple[CornerRow, ...]

    @property
    def kinds(self) -> list[tuple[str, list[CornerRow], int]]:
        """Each kind that is there, in the order of KINDS, with the rows that are shown, and how many more there are.

        All rows are shown while they are few; of many those that do not agree and then those furthest apart at step 1.
        """
        found = []
        for kind in KINDS:
            rows = [row for row in self.rows if row.row.kind == kind]
            if len(rows) > MOST:
                rows = sorted(rows, key=_apart, reverse=True)
            if rows:
                found.append((kind, rows[:MOST], len(rows[MOST:])))
        return found


def corner_tables(rows: Sequence[PairRow], network: Callable[[PairRow], str]) -> list[CornerTable]:
    """A table for every network that a pipeline of this package trained on more than one backend or host.

    `network`: names that of a pair.
    """
    found: dict[str, list[CornerRow]] = {}
    for row in rows:
        if row.kind in KINDS and row.cells and all(cell.facts.pipeline in MAIN for cell in row.cells):
            found.setdefault(network(row), []).append(_corner_row(row))
    return [
        CornerTable(name, tuple(of))
        for name, of in found.items()
        if any(one.row.kind in (PLATFORM, VENDOR) for one in of)
    ]


def left_out(kind: str, more: int) -> str:
    """What is said of the pairs of a kind that the table does not show."""
    pairs = "1 more pair is" if more == 1 else f"{more} more pairs are"
    return f"{pairs} {kind}; those above differ, or are furthest apart at step 1."


def most_together(row: PairRow) -> float | None:
    """The largest difference of a pair in lockstep, from where the follower was first set to the leader's state.

    None where the pair was not run so, or no further than to there. Units: nats.
    """
    numbers = None if row.lockstep is None else row.lockstep.comparison.numbers
    if row.lockstep is None or numbers is None or not row.lockstep.segments.ends:
        return None
    later = numbers.delta[numbers.steps >= row.lockstep.segments.ends[0].step]
    return float(later.max()) if len(later) else None


def _corner_row(row: PairRow) -> CornerRow:
    numbers = None if row.comparison is None else row.comparison.numbers
    if numbers is None:
        return CornerRow(row, None, None, None, None, None)
    return CornerRow(row, numbers.delta_at(1), numbers.delta_at(2), numbers.median, numbers.max, most_together(row))


def _apart(row: CornerRow) -> tuple[bool, float]:
    """For sorting: what could not be compared is as far apart as can be."""
    agrees = row.row.verdict is None or row.row.verdict.status == "PASS"
    return not agrees, math.inf if row.step_1 is None or math.isnan(row.step_1) else row.step_1
