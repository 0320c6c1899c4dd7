"""The heat map: networks by pairs, with a reason for every field that is not green."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from harness.report.page.panels import Panel
from harness.report.page.words import ABSENT, URGENT_FIRST, Mark, word_of
from harness.report.summary import Summary, model_of
from harness.report.tables import show_verdict
from harness.report.verification import CROSS
from harness.verdict.pair import PairRow
from harness.verdict.pairs import runs_of
from harness.verdict.relation import relation

MOST_COLUMNS = 60  # that a reader finds anything in


@dataclass(frozen=True)
class Field:
    """One pair in the heat map, or many. `address`: what it leads to, None when that is nothing. `reason`: a line."""

    mark: Mark
    word: str
    reason: str
    address: str | None = None


@dataclass(frozen=True)
class Matrix:
    """`kinds`: of the columns, each with how many it spans. `rows`: by network, the fields of each column.

    `summed`: there are too many pairs for a column each, and a field stands for all of a kind.
    """

    kinds: tuple[tuple[str, int], ...]
    columns: tuple[tuple[str, str], ...]
    rows: Mapping[str, Sequence[Sequence[Field]]]
    summed: bool = False


def make_matrix(summary: Summary, panels: Sequence[Panel], kept: Collection[int]) -> Matrix:
    """Every pair that was judged, and those whose backends are absent; of many a field for each kind.

    `kept`: the numbers of the panels that the page has.
    """
    if len({(panel.row.kind, panel.name) for panel in panels}) > MOST_COLUMNS:
        return _summed(panels)
    found: dict[tuple[str, str], dict[str, list[Field]]] = {}
    fields = [
        (p.row, p.network, Field(p.mark, word_of(p.row), show_verdict(p.row), p.id if p.number in kept else None))
        for p in panels
    ]
    fields += [(row, model_of(row), Field(ABSENT, ABSENT.word, row.note)) for row in _absent_pairs(summary)]
    for row, network, field in fields:
        there = found.setdefault((row.kind, row.name), {}).setdefault(network, [])
        if field.mark != ABSENT or all(other.reason != field.reason for other in there):  # once for all hosts
            there.append(field)
    keys = sorted(found, key=lambda key: _order(key[0]))
    kinds = tuple((kind, len(list(group))) for kind, group in itertools.groupby(key[0] for key in keys))
    columns = tuple((name.partition(" vs ")[0], name.partition(" vs ")[2]) for _, name in keys)
    networks = dict.fromkeys(network for _, network, _ in fields)
    rows = {network: [found[key].get(network, []) for key in keys] for network in networks}
    return Matrix(kinds, columns, dict(sorted(rows.items(), key=lambda item: _urgency(item[1]))))


def _summed(panels: Sequence[Panel]) -> Matrix:
    """A column for each kind of pair: how many of a network differ, are inconclusive and agree."""
    found: dict[str, dict[str, list[Panel]]] = {}
    for panel in panels:
        found.setdefault(panel.network, {}).setdefault(panel.row.kind, []).append(panel)
    kinds = sorted({panel.row.kind for panel in panels}, key=_order)
    rows = {
        network: [[_sum(network, of[kind])] if kind in of else [] for kind in kinds] for network, of in found.items()
    }
    columns = tuple(("all pairs", "") for _ in kinds)
    ordered = dict(sorted(rows.items(), key=lambda item: _urgency(item[1])))
    return Matrix(tuple((kind, 1) for kind in kinds), columns, ordered, summed=True)


def _sum(network: str, panels: Sequence[Panel]) -> Field:
    counts = [(mark, sum(panel.mark == mark for panel in panels)) for mark in URGENT_FIRST]
    there = [(mark, count) for mark, count in counts if count]
    told = ", ".join(f"{count} {mark.word if count == 1 else mark.plural}" for mark, count in there)
    mark, count = there[0]
    word = told if len(there) == 1 else f"{count} of {len(panels)} {mark.word if count == 1 else mark.plural}"
    return Field(mark, word, told, urlencode({"text": network, "status": mark.key}))


def _order(kind: str) -> int:
    return CROSS.index(kind) if kind in CROSS else len(CROSS)


def _absent_pairs(summary: Summary) -> Iterator[PairRow]:
    """Pairs of which a side's backend is on no host, and was not asked for."""
    there = {frozenset(row.cells) for row in summary.rows}
    for run in runs_of(cell for cell in summary.cells if not cell.facts.evidence):
        for left, right in itertools.combinations(run, 2):
            kind = relation(left.facts, right.facts, left.host == right.host)
            if kind is None or {left, right} in there:
                continue
            notes = [cell.note for cell in (left, right) if cell.facts.absent]
            if notes:
                note = "; ".join(dict.fromkeys(notes))
                yield PairRow(left.short_name, right.short_name, note=note, kind=kind, cells=(left, right))


def _urgency(fields: Sequence[Sequence[Field]]) -> int:
    marks = {field.mark for of_column in fields for field in of_column} - {ABSENT}
    return min((URGENT_FIRST.index(mark) for mark in marks), default=len(URGENT_FIRST))
