"""Makes a summary of folders of cells, nights or not."""

from collections.abc import Sequence
from pathlib import Path

from harness.compare import Judging
from harness.errors import TraceError
from harness.night.check import Check, read_check
from harness.night.findings import Finding, read_findings, with_findings
from harness.night.folder import NightFolder
from harness.pairs import judge_cells
from harness.shelf import read_shelf
from harness.summary import Summary
from harness.summary.history import read_history

UNDATED = "undated"


def summarise(
    folders: Sequence[Path], judging: Judging, title: str | None = None, history: Path | None = None
) -> Summary:
    """Read everything in the folders, judge every pair, and look up the same pairs of earlier nights.

    Raises: HarnessError for a folder or history that cannot be read; a bad file among the cells is a problem.
    """
    nights = []
    for folder in folders:
        if not folder.is_dir():
            raise TraceError(f"{folder}: not a folder; expected one with cells or that of a night.")
        nights.append(NightFolder(folder))
    plans = [night.read() for night in nights if night.is_night]
    shelf = read_shelf([night.cells for night in nights if night.cells.is_dir()])
    findings: dict[str, Finding] = {}
    checks: list[Check] = []
    problems = list(shelf.problems)
    for night in nights:
        findings |= read_findings(night.findings)
        checks += [read_check(path) for path in sorted(night.checks.glob("*.json"))]
        problems += night.read_problems()
    date = max((plan.night.isoformat() for plan in plans), default=UNDATED)
    earlier = [row for row in read_history(history) if row.night < date] if history is not None else []
    return Summary(
        title=title or next((plan.parsed.title for plan in plans), "cells"),
        night=date,
        cells=shelf.cells,
        rows=tuple(with_findings(list(judge_cells(shelf.cells, judging)), findings)),
        checks=tuple(checks),
        history=tuple(earlier),
        problems=tuple(problems),
        hosts=tuple(dict.fromkeys(cell.host for cell in shelf.cells if cell.host and not cell.facts.absent)),
    )
