"""Reports as Markdown."""

from collections.abc import Sequence

from harness.report import tables
from harness.system.text import escape_control
from harness.verdict.pair import PairRow


def render_pair(row: PairRow) -> str:
    """A pair as a section: sides, numbers, tolerances, gates and verdict."""
    parts = [f"### {escape(row.name)}"]
    if row.comparison is not None:
        numbers = row.comparison.numbers
        side_a, side_b = tables.describe_sides(row.comparison)
        mode = tables.describe_mode(row.comparison)
        parts.append("\n".join(f"- {escape(line)}" for line in (f"A: {side_a}", f"B: {side_b}", f"mode {mode}")))
        if numbers is not None and numbers.compared:
            parts.append(table(tables.PAIR_COLUMNS, tables.pair_table(numbers)))
            parts.append("\n".join(f"- {escape(line)}" for line in tables.describe_tolerance(row.comparison)))
    if row.note:
        parts.append(escape(row.note))
    if row.verdict is not None:
        parts.append(table(tables.GATE_COLUMNS, tables.gate_table(row.verdict)))
        parts.append(f"**{escape(row.verdict.sentence)}**")
    if row.findings:
        parts.append("\n".join(f"- {escape(finding)}" for finding in row.findings))
    return "\n\n".join(parts) + "\n"


def render_summary(rows: Sequence[PairRow]) -> str:
    """One table row per pair: differences at steps 1 and 2, median, maximum, verdict."""
    return table(tables.SUMMARY_COLUMNS, tables.summary_table(rows)) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells mean themselves."""
    from tabulate import tabulate  # here, because it takes longer to import than a pair to compare

    escaped = [[escape(cell) for cell in row] for row in rows]
    return tabulate(escaped, headers=[escape(column) for column in columns], tablefmt="pipe", disable_numparse=True)


def escape(text: str) -> str:
    """Text whose characters mean themselves in a Markdown line or table cell."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in escape_control(text).replace("\n", " "))
