"""Reports for a terminal."""

import shutil
import textwrap
from collections.abc import Sequence

from harness import report
from harness.report import PairRow

WIDTH = 110  # of a table with long lines, at most
_NARROWEST = 40  # of the column that is wrapped


def render_pair(row: PairRow) -> str:
    """A pair with its sides, numbers, tolerances, gates and verdict."""
    lines = []
    if row.comparison is None:
        lines += [row.name, row.note] if row.note else [row.name]
    else:
        numbers = row.comparison.numbers
        side_a, side_b = report.describe_sides(row.comparison)
        lines += [f"A     {side_a}", f"B     {side_b}", f"mode  {report.describe_mode(row.comparison)}"]
        if numbers is not None and numbers.compared:
            lines += ["", table(report.PAIR_COLUMNS, report.pair_table(numbers)), ""]
            lines += report.describe_tolerance(row.comparison)
    if row.verdict is not None:
        lines += ["", render_judged(row, named=False)]
    return printable("\n".join(lines).rstrip("\n")) + "\n"


def render_judged(row: PairRow, *, named: bool = True) -> str:
    """A line of evidence a gate, the verdict as a sentence, and what was found about the cause."""
    if row.verdict is None:
        return ""
    gates = [wrapped(report.GATE_COLUMNS, report.gate_table(row.verdict)), ""] if row.verdict.evidence else []
    sentence = report.show_sentence(row.verdict)
    return printable("\n".join([*gates, f"{row.name}: {sentence}" if named else sentence, *row.findings])) + "\n"


def printable(text: str) -> str:
    """Text without what would steer a terminal: names come out of files that anybody may have written."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def render_summary(rows: Sequence[PairRow]) -> str:
    """One line a pair: differences at steps 1 and 2, median, maximum, verdict."""
    return printable(table(report.SUMMARY_COLUMNS, report.summary_table(rows))) + "\n"


def wrapped(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose last column is wrapped to the width of the terminal."""
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)
    others = [max(map(len, cells)) + 2 for cells in list(zip(columns, *rows, strict=True))[:-1]]
    last = textwrap.TextWrapper(max(_NARROWEST, width - sum(others)), break_long_words=False, break_on_hyphens=False)
    return table(columns, [[*row[:-1], last.fill(row[-1])] for row in rows])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells stay as they are."""
    from tabulate import tabulate  # here, because it takes longer to import than a pair to compare

    return tabulate(rows, headers=columns, tablefmt="simple", disable_numparse=True)
