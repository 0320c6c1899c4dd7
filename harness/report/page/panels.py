"""Panels of a page, one per pair."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.report import tables
from harness.report.page.environments import Fact, side_by_side
from harness.report.page.series import Chart
from harness.report.page.words import DIFFERS, INCONCLUSIVE, OF_GATE, URGENT_FIRST, Mark, mark_of, word_of
from harness.report.summary import model_of
from harness.report.tables import where
from harness.verdict.pair import PairRow, agreed_steps

MOST = 400  # panels of a page; the other pairs are in its table, and in verdict.json
MOST_ROWS = 20_000  # of that table, which a browser still sorts and filters
_SLUG = 60  # characters of a name in an address


@dataclass(frozen=True)
class Delta:
    """A difference: its text, and the value that it is sorted by."""

    shown: str
    value: float | None


@dataclass(frozen=True)
class Panel:
    """A pair as the templates know it. `number`: of its chart. `chart`: None when there is nothing to draw."""

    id: str
    row: PairRow
    mark: Mark
    network: str
    place: str
    number: int
    chart: Chart | None

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def word(self) -> str:
        """Its status, and the steps that it speaks of where those are not all."""
        return word_of(self.row)

    @property
    def urgency(self) -> int:
        """Rank of its status, 0 for the most urgent."""
        return URGENT_FIRST.index(self.mark)

    @property
    def deltas(self) -> list[Delta]:
        """Differences at step 1, at step 2, their median and maximum."""
        numbers = self.row.comparison.numbers if self.row.comparison is not None else None
        found = (
            [None] * 4 if numbers is None else [numbers.delta_at(1), numbers.delta_at(2), numbers.median, numbers.max]
        )
        return [Delta(tables.show(value), value) for value in found]

    @property
    def sentence(self) -> str:
        """The verdict with its reason."""
        return self.row.verdict.sentence if self.row.verdict is not None else self.row.note

    @property
    def about(self) -> list[tuple[str, str]]:
        """The sides and the mode, in a line each."""
        if self.row.comparison is None:
            return []
        a, b = tables.describe_sides(self.row.comparison)
        return [("A", a), ("B", b), ("Mode", tables.describe_mode(self.row.comparison))]

    @property
    def numbers(self) -> list[list[str]]:
        """Rows under `tables.PAIR_COLUMNS`."""
        numbers = self.row.comparison.numbers if self.row.comparison is not None else None
        return tables.pair_table(numbers) if numbers is not None and numbers.compared else []

    @property
    def segment(self) -> int | None:
        """Steps between two settings of the run in lockstep; None where there is none."""
        ends = self.row.lockstep.segments.ends if self.row.lockstep is not None else []
        return ends[0].step - ends[0].first if ends else None

    @property
    def tolerance(self) -> list[str]:
        return tables.describe_tolerance(self.row.comparison) if self.row.comparison is not None else []

    @property
    def gates(self) -> list[tuple[str, Mark, str]]:
        evidence = self.row.verdict.evidence if self.row.verdict is not None else ()
        return [(line.gate, OF_GATE[line.outcome], line.line) for line in evidence]

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands that run each side again."""
        return [(cell.name, cell.facts.command) for cell in self.row.cells if cell.facts.command]

    @property
    def environment(self) -> list[Fact]:
        return side_by_side(self.row)


def make_panels(rows: Sequence[PairRow], charts: Sequence[Chart | None]) -> list[Panel]:
    """The panels of the rows, and of their charts."""
    return [
        Panel(name, row, mark_of(row), model_of(row), where(row), number, chart)
        for number, (row, name, chart) in enumerate(zip(rows, _names(rows), charts, strict=True))
    ]


@dataclass(frozen=True)
class Group:
    """Panels of one status under a heading. `open`: whether a reader finds it open. `more`: pairs without a panel."""

    title: str
    panels: list[Panel]
    open: bool
    more: int


def urgent_first(panels: Sequence[Panel]) -> list[Panel]:
    """Panels sorted by urgency."""
    return sorted(panels, key=lambda panel: panel.urgency)


def which_have_panels(rows: Sequence[PairRow]) -> set[int]:
    """The places of the pairs that a page has panels of, with curves and evidence: all of few, of many the urgent."""
    return set(sorted(range(len(rows)), key=lambda place: URGENT_FIRST.index(mark_of(rows[place])))[:MOST])


def group(panels: Sequence[Panel], kept: Collection[int]) -> list[Group]:
    """Panels by status, the most urgent first; those that agree are closed. `kept`: numbers of those that are there."""
    found = []
    for mark in URGENT_FIRST:
        if of_mark := [panel for panel in panels if panel.mark == mark]:
            word = mark.word if len(of_mark) == 1 else mark.plural
            steps = agreed_steps(panel.row for panel in of_mark)
            there = [panel for panel in of_mark if panel.number in kept]
            title = f"{len(of_mark)} {word}{steps}"
            found.append(Group(title, there, mark in (DIFFERS, INCONCLUSIVE), len(of_mark) - len(there)))
    return found


def _names(rows: Sequence[PairRow]) -> list[str]:
    """An id for each pair, for addresses: letters, digits, dots and dashes, whatever it is called."""
    taken: dict[str, int] = {}
    ids = []
    for row in rows:
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", f"pair {model_of(row)} {row.name}")[:_SLUG].strip("-")
        taken[slug] = taken.get(slug, 0) + 1
        ids.append(slug if taken[slug] == 1 else f"{slug}_{taken[slug]}")
    return ids
