"""Summary of folders of cells: the verdict in words, and the results behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.night.checks import NightCheck
from harness.report.summary.history import HistoryRow
from harness.trace.store import StoredCell
from harness.verdict.judge import INCONCLUSIVE, worst_exit_code
from harness.verdict.pair import PairRow, partial_passes

_CHECK_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "NOT RUN": 3}


@dataclass(frozen=True)
class Event:
    """An event that concerns many cells and is reported once, such as a compiler of another version."""

    title: str
    outcome: Literal["note", "fail"]
    line: str


@dataclass(frozen=True)
class Summary:
    """A report before it takes any form. `night`: its date, as 2026-11-26; `mode`: of tolerance.

    `rows`: every pair, judged, those of cells and their references too. `history`: the rows of earlier nights, oldest
    first. `problems`: a line for each file that could not be read, and for each planned run that is missing.
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
        """The verdict in words: `12 pairs agree, 1 differs: mnist_cnn phase2-cpu vs phase3-rocm, backward of pool1`."""
        agree, differ, unclear = (self.of_status(status) for status in ("PASS", "FAIL", "INCONCLUSIVE"))
        parts = [f"{_count(len(agree), 'pair agrees', 'pairs agree')}" if self.judged else "no pair could be compared"]
        if partial := partial_passes(agree):
            parts[0] += f" ({partial})"
        if not self.cells and self.checks:
            passed = sum(check.status == "PASS" for check in self.checks)
            parts = [f"{passed} of {_count(len(self.checks), 'check', 'checks')} passed"]
        if differ:
            parts.append(f"{len(differ)} {'differs' if len(differ) == 1 else 'differ'}: {_named(differ)}")
        if unclear:
            parts.append(f"{len(unclear)} inconclusive: {_named(unclear)}")
        incomplete = [
            cell.name for cell in self.cells if cell.counts and not cell.complete and cell not in _cells_of(unclear)
        ]
        if incomplete:
            parts.append(f"{_count(len(incomplete), 'cell is', 'cells are')} not complete: {_listed(incomplete)}")
        for status, word in (("FAIL", "failed"), ("INCONCLUSIVE", "inconclusive"), ("NOT RUN", "not run")):
            names = [check.name for check in self.checks if check.status == status]
            if names:
                parts.append(f"{_count(len(names), 'check', 'checks')} {word}: {', '.join(names)}")
        parts += [f"{event.title}: {event.line}" for event in self.events if event.outcome == "fail"]
        if self.problems:
            parts.append(_count(len(self.problems), "problem", "problems"))
        return ("; " if differ or unclear else ", ").join(parts)


def model_of(row: PairRow) -> str:
    """The network of a pair, with its settings off the defaults: `mnist_cnn`, `resnet34.b2`, `mnist_mlp.published`."""
    if not row.cells:
        return ""
    first = row.cells[0]
    return first.name.replace(f".{first.facts.pipeline}-", ".", 1).replace(_place(first), "", 1)


def where(row: PairRow) -> str:
    """The failure and its place, in words: `backward of pool1 (phase3)`, or `backward, step 1, gradient of conv2.w`."""
    verdict = row.verdict
    if row.culprit:
        return row.culprit
    if verdict is None:
        return row.note
    if verdict.status == "INCONCLUSIVE":
        return verdict.reason if row.note else str(verdict.gate)
    return ", ".join(filter(None, (verdict.fault, verdict.place)))


def _place(cell: StoredCell) -> str:
    return f".{'shuf' if cell.facts.shuffle else 'noshuf'}-{cell.facts.backend}"


def _named(rows: Sequence[PairRow], most: int = 3) -> str:
    """The first pairs by name; how many more."""
    said = [", ".join(filter(None, (f"{model_of(row)} {row.name}".strip(), where(row)))) for row in rows[:most]]
    return "; ".join([*said, *([f"and {len(rows) - most} more"] if len(rows) > most else [])])


def _cells_of(rows: Sequence[PairRow]) -> list[StoredCell]:
    return [cell for row in rows for cell in row.cells]


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join([*names[:most], *([f"and {len(names) - most} more"] if len(names) > most else [])])


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
