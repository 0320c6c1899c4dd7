"""Summary of folders of cells: the verdict in words, and the results behind it."""

from dataclasses import dataclass
from typing import Literal

from harness.night.checks import NightCheck
from harness.report.corners import Corners
from harness.report.summary.history import HistoryRow
from harness.report.tables import first_named, in_each, listed
from harness.trace.store import StoredCell
from harness.verdict.judge import INCONCLUSIVE, worst_exit_code
from harness.verdict.pair import PairRow, agreed_steps

UNDATED = "undated"  # in the place of the date, where no cell is of a night
_CHECK_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT RUN": 3}


@dataclass(frozen=True)
class Event:
    """An event that concerns many cells and is reported once, such as a compiler of another version."""

    title: str
    outcome: Literal["note", "fail"]
    line: str


@dataclass(frozen=True)
class Summary:
    """A report before it takes any form. `night`: its date, as 2026-11-26, or UNDATED; `mode`: of tolerance.

    `rows`: every pair, judged, those of cells and their references too. `history`: the rows of earlier nights, oldest
    first. `problems`: a line for each file that could not be read, and for each planned run that is missing.
    `corners`: of each network that was run on several backends or hosts.
    """

    title: str
    night: str
    mode: str
    cells: tuple[StoredCell, ...]
    rows: tuple[PairRow, ...]
    checks: tuple[NightCheck, ...] = ()
    events: tuple[Event, ...] = ()
    history: tuple[HistoryRow, ...] = ()
    problems: tuple[str, ...] = ()
    corners: tuple[Corners, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that its cells ran on, each once."""
        return tuple(dict.fromkeys(cell.host for cell in self.cells if cell.host and not cell.facts.absent))

    @property
    def judged(self) -> list[PairRow]:
        """The pairs that have a verdict."""
        return [row for row in self.rows if row.verdict is not None]

    def of_status(self, status: str) -> list[PairRow]:
        """The pairs with that verdict."""
        return [row for row in self.judged if row.verdict is not None and row.verdict.status == status]

    @property
    def exit_code(self) -> int:
        """The worst of pairs and checks; inconclusive when something that counts did not run to its end."""
        codes = [row.verdict.exit_code for row in self.judged if row.verdict is not None]
        codes += [_CHECK_CODES[check.status] for check in self.checks]
        codes += [1 for event in self.events if event.outcome == "fail"]
        codes += [INCONCLUSIVE for cell in self.cells if cell.counts and not cell.complete]
        codes += [INCONCLUSIVE] if self.cells and not self.judged else []
        return worst_exit_code([*codes, *([INCONCLUSIVE] if self.problems else [])])

    @property
    def headline(self) -> str:
        """The verdict in words: `12 pairs agree; 1 differs: mnist_cnn phase2-cpu vs phase3-rocm, backward of pool1`."""
        differ, unclear = self.of_status("FAIL"), self.of_status("INCONCLUSIVE")
        parts = [self.agreement]
        if differ:
            count = _count(len(differ), "differs", "differ")
            parts.append(f"{count}{in_each(differ)}: {first_named(differ, full_name)}")
        if unclear:
            parts.append(f"{len(unclear)} inconclusive: {first_named(unclear, full_name)}")
        problems = [_count(len(self.problems), "problem", "problems")] if self.problems else []
        return ("; " if differ or unclear else ", ").join([*parts, *self.besides, *problems])

    @property
    def agreement(self) -> str:
        """How many pairs agree, and on which steps where those are not all: `2 pairs agree on 8 of 200 steps`.

        Of a night of checks alone, how many of them passed.
        """
        agree = self.of_status("PASS")
        if not self.cells and self.checks:
            passed = sum(check.status == "PASS" for check in self.checks)
            return f"{passed} of {_count(len(self.checks), 'check', 'checks')} passed"
        if not self.judged:
            return "no pair could be compared"
        return f"{_count(len(agree), 'pair agrees', 'pairs agree')}{agreed_steps(agree)}"

    @property
    def incomplete(self) -> list[StoredCell]:
        """The cells that count, did not run to their end, and are in no pair that says so."""
        told = {cell for row in self.of_status("INCONCLUSIVE") for cell in row.cells}
        return [cell for cell in self.cells if cell.counts and not cell.complete and cell not in told]

    @property
    def besides(self) -> list[str]:
        """What is wrong beside pairs and problems, in words: cells, checks, events."""
        parts = []
        if self.incomplete:
            count = _count(len(self.incomplete), "cell is", "cells are")
            parts.append(f"{count} not complete: {listed([cell.name for cell in self.incomplete])}")
        for status, word in (("FAIL", "failed"), ("INCONCLUSIVE", "inconclusive"), ("NOT RUN", "not run")):
            names = [check.name for check in self.checks if check.status == status]
            if names:
                parts.append(f"{_count(len(names), 'check', 'checks')} {word}: {', '.join(names)}")
        parts += [f"{event.title}: {event.line}" for event in self.events if event.outcome == "fail"]
        return parts


def model_of(row: PairRow) -> str:
    """The network of a pair, with its settings off the defaults: `mnist_cnn`, `resnet34.b2`, `mnist_mlp.published`."""
    if not row.cells:
        return ""
    first = row.cells[0]
    return first.name.replace(f".{first.facts.pipeline}-", ".", 1).replace(_place(first), "", 1)


def full_name(row: PairRow) -> str:
    """The pair as a line names it that stands alone: `mnist_cnn phase2-cpu vs phase3-rocm`."""
    return f"{model_of(row)} {row.name}".strip()


def _place(cell: StoredCell) -> str:
    return f".{'shuf' if cell.facts.shuffle else 'noshuf'}-{cell.facts.backend}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
