"""Pairs as people read them on a terminal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.report import tables
from harness.system.text import Document, Table
from harness.verdict.pair import PairRow, agreed_steps

FIRST = 10  # of the pairs that differ, with their evidence; the others have a sentence


def name_of(row: PairRow) -> str:
    """The name of a pair among those of one network."""
    return row.name


def render_pair(row: PairRow) -> Document:
    """A pair with its sides, numbers, tolerances, gates and verdict."""
    blocks = _compared(row)
    if row.verdict is not None:
        blocks += ["", *render_judged(row, None).blocks]
    return Document(blocks)


def render_difference(row: PairRow) -> Document:
    """A pair of several that differs: as `render_pair`, with `render_decided` for its gates."""
    return Document([*_compared(row), "", *render_decided(row).blocks])


def _compared(row: PairRow) -> list[str | Table]:
    """The sides of a pair, numbers and tolerances."""
    if row.comparison is None:
        return [row.name, row.note] if row.note else [row.name]
    numbers = row.comparison.numbers
    side_a, side_b = tables.describe_sides(row.comparison)
    blocks: list[str | Table] = [f"A     {side_a}", f"B     {side_b}", f"mode  {tables.describe_mode(row.comparison)}"]
    if numbers is not None and numbers.compared:
        blocks += ["", Table(tables.PAIR_COLUMNS, tables.pair_table(numbers)), ""]
        blocks += tables.describe_tolerance(row.comparison)
    return blocks


def render_judged(row: PairRow, name: Callable[[PairRow], str] | None = name_of) -> Document:
    """A line of evidence per gate, the verdict as a sentence, and the findings about the cause."""
    if row.verdict is None:
        return Document([])
    blocks: list[str | Table] = [gates(row), ""] if row.verdict.evidence else []
    sentence = row.verdict.sentence if name is None else _sentence(row, name)
    return Document([*blocks, sentence, *row.findings])


def render_decided(row: PairRow, name: Callable[[PairRow], str] = name_of) -> Document:
    """The verdict, the evidence of the gates that decided, and the findings about the cause."""
    assert row.verdict is not None
    if not row.verdict.evidence:
        return Document([_sentence(row, name), *row.findings])
    table = Table(tables.GATE_COLUMNS, tables.deciding_gates(row.verdict), wrapped=True)
    findings = ["", *row.findings] if row.findings else []
    return Document([f"{name(row)}: {row.verdict.title}", "", table, *findings])


def render_several(
    rows: Sequence[PairRow],
    render: Callable[[PairRow], Document] = render_decided,
    name: Callable[[PairRow], str] = name_of,
) -> list[Document]:
    """The pairs that differ, by `render`; a sentence for each that is inconclusive; a line for all that agree.

    What was found about the cause often concerns one side of several pairs, and is told once.
    """
    judged = [row for row in _told_once(rows) if row.verdict is not None]
    differ, unclear, agree = (
        [row for row in judged if row.verdict is not None and row.verdict.status == status]
        for status in ("FAIL", "INCONCLUSIVE", "PASS")
    )
    documents = list(map(render, differ[:FIRST]))
    sentences = [line for row in [*differ[FIRST:], *unclear] for line in (_sentence(row, name), *row.findings)]
    if sentences:
        documents.append(Document(sentences))
    if agree:
        pairs = "1 pair agrees" if len(agree) == 1 else f"{len(agree)} pairs agree"
        documents.append(Document([f"{pairs}{agreed_steps(agree)}; --verbose prints the evidence of every pair."]))
    return documents


def _told_once(rows: Sequence[PairRow]) -> Iterator[PairRow]:
    """The rows without findings that a row before has as well."""
    told: set[str] = set()
    for row in rows:
        yield replace(row, findings=tuple(finding for finding in row.findings if finding not in told))
        told.update(row.findings)


def _sentence(row: PairRow, name: Callable[[PairRow], str]) -> str:
    assert row.verdict is not None
    return f"{name(row)}: {row.verdict.sentence}"


def gates(row: PairRow) -> Table:
    """A line of evidence per gate of a pair that was judged."""
    assert row.verdict is not None
    return Table(tables.GATE_COLUMNS, tables.gate_table(row.verdict), wrapped=True)


def render_summary(rows: Sequence[PairRow]) -> Document:
    """One line per pair: differences at steps 1 and 2, median, maximum, verdict."""
    return Document([Table(tables.SUMMARY_COLUMNS, tables.summary_table(rows))])
