"""The power of the verdict as tables, for a terminal, as Markdown and as JSON."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from harness.report.as_json import plain
from harness.report.markdown import table as markdown_table
from harness.system.text import Document, Table, spaced
from harness.validation.power import tally
from harness.validation.power.journal import Row
from harness.validation.power.pairs import DETECTORS
from harness.validation.power.tally import LARGE, Innocent, Localized, Mutant, Rate, accused_by, rate, right_in, seen_by

POWER_VERSION = 1
DETECTED = 98.0  # percent that the verdict with its ladder has to see; all of what moves the first update that far
PLACED = {"called": 95.0, "layer": 90.0, "side": 95.0}  # percent that explain has to place right
Section = tuple[str, Sequence[str], list[list[str]]]
T = TypeVar("T")
PLACES = {"called": "class", "layer": "layer", "side": "side"}


def render(rows: Sequence[Row], form: str) -> Document | str:
    """Every table, the mutants that got away and what became of no end."""
    mutants, innocents, localized = tally.mutants(rows), tally.innocents(rows), tally.localized(rows)
    if form == "json":
        return json.dumps(_document(rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    make = markdown_table if form == "markdown" else Table
    mark, bullet = ("### ", "- ") if form == "markdown" else ("", "")
    parts: list[list[str | Table]] = [
        [f"{mark}{title}", "", make(columns, cells)]
        for title, columns, cells in (*_sections(mutants, innocents), _localization(localized))
        if cells
    ]
    parts.append([f"{bullet}{line}" for line in (*_sentences(mutants, innocents), *_misplaced(localized))])
    document = spaced(Document(part) for part in parts if part)
    return str(document) if form == "markdown" else document


def exit_code(rows: Sequence[Row]) -> int:
    """0 when verdict and explain are as good as they have to be and accuse nobody innocent, else 1; 3 for nothing."""
    mutants, innocents = tally.mutants(rows), tally.innocents(rows)
    counted = [mutant for mutant in mutants if mutant.counts]
    if not rows or (mutants and not counted and not innocents):
        return 3
    weak = [mutant for mutant in counted if not mutant.seen("ladder")]
    enough = rate(counted, seen_by("ladder")).percent >= DETECTED or not counted
    accused = any(innocent.accused(detector) for innocent in innocents for detector in DETECTORS)
    localized = tally.localized(rows)
    lost = any(rate(localized, right_in(what)).percent < least for what, least in PLACED.items())
    return int(not enough or accused or lost or bool(_idle(mutants)) or any(mutant.is_large for mutant in weak))


def _idle(mutants: Sequence[Mutant]) -> list[str]:
    """Faults that changed nothing on a side, on no network, though nothing says why: were they injected at all?"""
    groups = _groups(mutants, lambda mutant: f"{mutant.case.fault}, {mutant.case.side}")
    return [name for name, found in groups if not any(mutant.counts or mutant.fault.silent for mutant in found)]


def _sections(mutants: Sequence[Mutant], innocents: Sequence[Innocent]) -> Iterable[Section]:
    counted = [mutant for mutant in mutants if mutant.counts]
    columns = ("cases", *DETECTORS)
    large = [mutant for mutant in counted if mutant.is_large]
    rows = [("all", counted), (f"first update off by {LARGE:g} or more", large)]
    rows += [(network, found) for network, found in _groups(counted, lambda m: m.case.network)]
    rows += [(side, found) for side, found in _groups(counted, lambda m: m.case.side)]
    yield "Faults found within 3 steps", ("", *columns), [[name, str(len(f)), *_detected(f)] for name, f in rows]
    kinds = _groups(counted, lambda m: m.fault.kind)
    yield "By kind of fault", ("kind", *columns), [[name, str(len(f)), *_plain(f)] for name, f in kinds]
    yield (
        "By class, and whether it is called so",
        ("class", *columns, "called right"),
        [
            [name, str(len(f)), *_plain(f), _show(rate([m for m in f if m.seen("ladder")], lambda m: m.called_right))]
            for name, f in _groups(counted, lambda m: m.fault.called)
        ],
    )
    yield "The gate that decides", ("gate", *DETECTORS), _gates(counted)
    yield (
        "Right pairs",
        ("", "pairs", *(f"failed by {name}" for name in DETECTORS)),
        [
            [name, str(len(found)), *(_show(rate(found, accused_by(detector))) for detector in DETECTORS)]
            for name, found in (*_groups(innocents, lambda i: i.pair.variation), ("all", list(innocents)))
            if found
        ],
    )


def _localization(localized: Sequence[Localized]) -> Section:
    groups = [("all", list(localized)), *_groups(localized, lambda one: one.fault.called)]
    cells = [[name, str(len(f)), *(_show(rate(f, right_in(what))) for what in PLACES)] for name, f in groups if f]
    return "Localization by explain", ("class", "faults", *(f"{what} right" for what in PLACES.values())), cells


def _misplaced(localized: Sequence[Localized]) -> Iterable[str]:
    for one in localized:
        wrong = [name for what, name in PLACES.items() if not one.right(what)]
        if one.placed is None:
            yield f"{one.case.name}: not localized: {one.trouble}."
        elif wrong:
            where = " ".join(filter(None, (one.placed.fault, one.placed.layer, one.placed.side))) or "nowhere"
            yield f"{one.case.name}: placed with the wrong {' and '.join(wrong)}: {where}."


def _gates(mutants: Sequence[Mutant]) -> list[list[str]]:
    """How often each gate is the first to fail."""
    firsts: dict[str, dict[str, int]] = {}
    for mutant in mutants:
        for detector in DETECTORS:
            if mutant.finding is not None and mutant.seen(detector):
                gate = mutant.finding.said[detector].gates[0]
                of_gate = firsts.setdefault(gate, dict.fromkeys(DETECTORS, 0))
                of_gate[detector] += 1
    return [[gate, *map(str, counts.values())] for gate, counts in firsts.items()]


def _sentences(mutants: Sequence[Mutant], innocents: Sequence[Innocent]) -> Iterable[str]:
    for mutant in mutants:
        if mutant.finding is None:
            yield f"{mutant.case.name}: came to no end: {mutant.trouble}."
        elif mutant.finding.silent:
            why = mutant.fault.silent or "in these three steps every number is the same, bit for bit"
            yield f"{mutant.case.name}: changes nothing: {why}."
        elif not mutant.seen("ladder"):
            moved = f"its first update is off by {mutant.finding.update_error:.1e}"
            yield f"{mutant.case.name}: got away: {moved}; {mutant.finding.said['ladder'].reason}"
        elif not mutant.called_right:
            called = mutant.finding.said["ladder"]
            yield f"{mutant.case.name}: is {mutant.fault.called} and called {called.fault}: {called.reason}"
    for name in _idle(mutants):
        yield f"{name}: changes nothing on any network, and no reason is known: is it injected at all?"
    for innocent in innocents:
        for detector in DETECTORS:
            if innocent.accused(detector):
                why = innocent.trouble if innocent.said is None else innocent.said[detector].reason
                yield f"{innocent.pair.name}: is right and failed by {detector}: {why}"


def _groups(found: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return list(groups.items())


def _detected(mutants: Sequence[Mutant]) -> list[str]:
    return [_show(rate(mutants, seen_by(detector))) for detector in DETECTORS]


def _plain(mutants: Sequence[Mutant]) -> list[str]:
    return [str(rate(mutants, seen_by(detector)).hits) for detector in DETECTORS]


def _show(found: Rate) -> str:
    """`99.3 % (97.5-99.9)`, with the bounds of its exact confidence interval."""
    if not found.total:
        return "-"
    low, high = found.interval
    return f"{found.percent:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _document(rows: Sequence[Row]) -> dict[str, object]:
    counted = [mutant for mutant in tally.mutants(rows) if mutant.counts]
    innocents, localized = tally.innocents(rows), tally.localized(rows)
    document: dict[str, object] = plain(
        {
            "power_version": POWER_VERSION,
            "detected": {name: _numbers(rate(counted, seen_by(name))) for name in DETECTORS},
            "false_positives": {name: _numbers(rate(innocents, accused_by(name))) for name in DETECTORS},
            "localized": {name: _numbers(rate(localized, right_in(what))) for what, name in PLACES.items()},
            "rows": [vars(row) for row in rows],
            "exit_code": exit_code(rows),
        }
    )
    return document


def _numbers(found: Rate) -> dict[str, object]:
    return {"hits": found.hits, "total": found.total, "interval": list(found.interval)}
