"""Pairs as people read them on a terminal."""

from collections.abc import Sequence

from harness.report import tables
from harness.system.text import Document, Table
from harness.verdict.pair import PairRow


def render_pair(row: PairRow) -> Document:
    """A pair with its sides, numbers, tolerances, gates and verdict."""
    blocks: list[str | Table] = []
    if row.comparison is None:
        blocks += [row.name, row.note] if row.note else [row.name]
    else:
        numbers = row.comparison.numbers
        side_a, side_b = tables.describe_sides(row.comparison)
        blocks += [f"A     {side_a}", f"B     {side_b}", f"mode  {tables.describe_mode(row.comparison)}"]
        if numbers is not None and numbers.compared:
            blocks += ["", Table(tables.PAIR_COLUMNS, tables.pair_table(numbers)), ""]
            blocks += tables.describe_tolerance(row.comparison)
    if row.verdict is not None:
        blocks += ["", *render_judged(row, named=False).blocks]
    return Document(blocks)


def render_judged(row: PairRow, *, named: bool = True) -> Document:
    """A line of evidence per gate, the verdict as a sentence, and the findings about the cause."""
    if row.verdict is None:
        return Document([])
    blocks: list[str | Table] = [gates(row), ""] if row.verdict.evidence else []
    sentence = row.verdict.sentence
    return Document([*blocks, f"{row.name}: {sentence}" if named else sentence, *row.findings])


def gates(row: PairRow) -> Table:
    """A line of evidence per gate of a pair that was judged."""
    assert row.verdict is not None
    return Table(tables.GATE_COLUMNS, tables.gate_table(row.verdict), wrapped=True)


def render_summary(rows: Sequence[PairRow]) -> Document:
    """One line per pair: differences at steps 1 and 2, median, maximum, verdict."""
    return Document([Table(tables.SUMMARY_COLUMNS, tables.summary_table(rows))])
