"""The verdict of a page: what it says first, and the pairs that it names there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report.page.panels import Panel
from harness.report.page.words import DIFFERS, INCONCLUSIVE, Mark
from harness.report.summary import Summary
from harness.report.tables import NAMED, in_each


@dataclass(frozen=True)
class Statement:
    """A line of the verdict. `panels`: of the first pairs that it is about. `more`: the number of the others.

    `address`: of what it is about, in the page; None for a line that leads nowhere.
    """

    line: str
    panels: tuple[Panel, ...] = ()
    more: int = 0
    address: str | None = None


def make_statements(summary: Summary, panels: Sequence[Panel]) -> list[Statement]:
    """The statements, the most urgent first; where no pair is to be named, the headline of the summary alone."""
    named = [*_about(summary, panels, DIFFERS, "differs", "differ")]
    named += _about(summary, panels, INCONCLUSIVE, "is inconclusive", "are inconclusive")
    if not named:
        return [Statement(summary.headline, address="problems" if summary.problems else None)]
    number = len(summary.problems)
    problems = [Statement("1 problem" if number == 1 else f"{number} problems", address="problems")] if number else []
    return [*named, *map(Statement, summary.besides), *problems, Statement(summary.agreement)]


def _about(summary: Summary, panels: Sequence[Panel], mark: Mark, one: str, many: str) -> Iterator[Statement]:
    found = [panel for panel in panels if panel.mark == mark]
    if found:
        verb = one if len(found) == 1 else many
        line = f"{len(found)} of {len(summary.judged)} {'pair' if len(summary.judged) == 1 else 'pairs'} {verb}"
        line += in_each([panel.row for panel in found])
        yield Statement(line, tuple(found[:NAMED]), len(found[NAMED:]), f"status={mark.key}")
