"""The power of the verdict as tables, for a terminal, as Markdown and as JSON."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from harness.system.text import Document
from harness.validation.document import TableSection, as_json, lay_out
from harness.validation.power import tally
from harness.validation.power.journal import Row
from harness.validation.power.pairs import DETECTORS, OTHER_MODES, VERIFY, WITH_NORMS
from harness.validation.power.tally import (
    LARGE,
    CleanResult,
    Localized,
    Mutant,
    Rate,
    detected_by,
    false_positive_of,
    rate,
    right_in,
)
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE

POWER_VERSION = 2
# Percent that have to be detected: of all faults, by `verify` and by `diff`, and of those of numerics. And all `LARGE`.
DETECTED, WITH_NORMS_DETECTED, NUMERICS_DETECTED = 98.0, 85.0, 90.0
PLACED = {"called": 95.0, "layer": 90.0, "side": 95.0}  # percent that explain has to place right
T = TypeVar("T")
PLACES = {"called": "class", "layer": "layer", "side": "side"}


def render(rows: Sequence[Row], form: str) -> Document | str:
    """Every table, the mutants that survived, the false positives, and what did not finish."""
    mutants, clean, localized = tally.mutants(rows), tally.clean_results(rows), tally.localized(rows)
    if form == "json":
        return as_json(_document(rows))
    sections = [section for section in (*_sections(mutants, clean), _localization(localized)) if section.cells]
    return lay_out(sections, [[*_sentences(mutants, clean), *_misplaced(localized)]], form)


def exit_code(rows: Sequence[Row]) -> int:
    """0 when verdict and explain are as good as required, without a false positive, else 1; 3 for nothing."""
    mutants, clean = tally.mutants(rows), tally.clean_results(rows)
    counted = [mutant for mutant in mutants if mutant.counts]
    if not rows or (mutants and not counted and not clean):
        return INCONCLUSIVE
    survived = [mutant for mutant in counted if not mutant.detected(VERIFY)]
    numerics = [mutant for mutant in counted if mutant.fault.called == "numerics"]
    few = any(
        rate(found, detected_by(detector)).percent < least
        for found, detector, least in (
            (counted, VERIFY, DETECTED),
            (counted, WITH_NORMS, WITH_NORMS_DETECTED),
            (numerics, VERIFY, NUMERICS_DETECTED),
        )
    )
    false_positive = any(one.is_false_positive(detector) for one in clean for detector in DETECTORS)
    localized = tally.localized(rows)
    lost = any(rate(localized, right_in(what)).percent < least for what, least in PLACED.items())
    large = any(mutant.is_large for mutant in survived)
    fails = few or false_positive or lost or large or bool(_idle(mutants))
    return EXIT_CODES["FAIL" if fails else "PASS"]


def _idle(mutants: Sequence[Mutant]) -> list[str]:
    """Faults that changed nothing on a side, on no network, though nothing says why: were they injected at all?"""
    groups = _groups(mutants, lambda mutant: f"{mutant.case.fault}, {mutant.case.side}")
    return [name for name, found in groups if not any(mutant.counts or mutant.fault.silent for mutant in found)]


def _sections(mutants: Sequence[Mutant], clean: Sequence[CleanResult]) -> Iterable[TableSection]:
    counted = [mutant for mutant in mutants if mutant.counts]
    columns = ("cases", *DETECTORS)
    large = [mutant for mutant in counted if mutant.is_large]
    rows = [("all", counted), (f"first update off by {LARGE:g} or more", large)]
    rows += _groups(counted, lambda m: m.case.network) + _groups(counted, lambda m: m.case.side)
    yield TableSection(
        ("", *columns),
        [[name, str(len(found)), *_detected(found)] for name, found in rows],
        "Faults found",
    )
    yield TableSection(
        ("kind", *columns),
        [[name, str(len(found)), *_plain(found)] for name, found in _groups(counted, lambda m: m.fault.kind)],
        "By kind of fault",
    )
    yield TableSection(
        ("class", *columns, "named correctly"),
        [
            [name, str(len(found)), *_plain(found), _named_correctly(found)]
            for name, found in _groups(counted, lambda m: m.fault.called)
        ],
        "By class, and how often it is named correctly",
    )
    yield TableSection(("gate", *DETECTORS), _gates(counted), "The gate that decides")
    yield TableSection(
        ("", "pairs", *(f"failed by {name}" for name in DETECTORS)),
        [
            [name, str(len(found)), *(_show(rate(found, false_positive_of(detector))) for detector in DETECTORS)]
            for name, found in (*_groups(clean, lambda one: one.pair.variation), ("all", list(clean)))
            if found
        ],
        "Clean pairs",
    )
    yield TableSection(
        ("mode", "pairs", *(f"failed by {name}" for name in DETECTORS)),
        [
            [mode.name, str(len(clean)), *(_show(rate(clean, false_positive_of(d, mode.name))) for d in DETECTORS)]
            for mode in OTHER_MODES
            if clean
        ],
        "Clean pairs in other modes, which do not count",
    )


def _localization(localized: Sequence[Localized]) -> TableSection:
    groups = [("all", list(localized)), *_groups(localized, lambda one: one.fault.called)]
    return TableSection(
        ("class", "faults", *(f"{what} correct" for what in PLACES.values())),
        [
            [name, str(len(found)), *(_show(rate(found, right_in(what))) for what in PLACES)]
            for name, found in groups
            if found
        ],
        "Localization by explain",
    )


def _misplaced(localized: Sequence[Localized]) -> Iterable[str]:
    for one in localized:
        misplaced = [name for what, name in PLACES.items() if not one.right(what)]
        if one.localization is None:
            yield f"{one.case.name}: not localized: {one.trouble}."
        elif misplaced:
            place = one.localization
            where = " ".join(filter(None, (place.fault, place.layer, place.side))) or "nowhere"
            yield f"{one.case.name}: placed with the wrong {' and '.join(misplaced)}: {where}."


def _gates(mutants: Sequence[Mutant]) -> list[list[str]]:
    """A row per gate: how often it is the first to fail, by detector."""
    firsts: dict[str, dict[str, int]] = {}
    for mutant in mutants:
        for detector in DETECTORS:
            if mutant.finding is not None and mutant.detected(detector):
                gate = mutant.finding.detections[detector].gates[0]
                of_gate = firsts.setdefault(gate, dict.fromkeys(DETECTORS, 0))
                of_gate[detector] += 1
    return [[gate, *map(str, counts.values())] for gate, counts in firsts.items()]


def _sentences(mutants: Sequence[Mutant], clean: Sequence[CleanResult]) -> Iterable[str]:
    for mutant in mutants:
        if mutant.finding is None:
            yield f"{mutant.case.name}: did not finish: {mutant.trouble}."
        elif mutant.finding.silent:
            why = mutant.fault.silent or "in these steps every number is the same, bit for bit"
            yield f"{mutant.case.name}: changes nothing: {why}."
        elif not mutant.detected(VERIFY):
            moved = f"its first update is off by {mutant.finding.update_error:.1e}"
            reason = mutant.finding.detections[VERIFY].reason
            yield f"{mutant.case.name}: survived: {moved}; {reason}"
        elif not mutant.called_right:
            called = mutant.finding.detections[VERIFY]
            yield f"{mutant.case.name}: is {mutant.fault.called} and called {called.fault}: {called.reason}"
    for name in _idle(mutants):
        yield f"{name}: changes nothing on any network, and no reason is known: is it injected at all?"
    for one in clean:
        for detector in DETECTORS:
            if one.is_false_positive(detector):
                why = one.trouble if one.finding is None else one.finding.detections[detector].reason
                yield f"{one.pair.name}: false positive of {detector}: {why}"


def _groups(found: Iterable[T], key: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    groups: dict[str, list[T]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    return list(groups.items())


def _detected(mutants: Sequence[Mutant]) -> list[str]:
    return [_show(rate(mutants, detected_by(detector))) for detector in DETECTORS]


def _plain(mutants: Sequence[Mutant]) -> list[str]:
    return [str(rate(mutants, detected_by(detector)).hits) for detector in DETECTORS]


def _named_correctly(mutants: Sequence[Mutant]) -> str:
    """The share of those detected whose class is right."""
    return _show(rate([m for m in mutants if m.detected(VERIFY)], lambda m: m.called_right))


def _show(found: Rate) -> str:
    """`99.3 % (97.5-99.9)`, with the bounds of its exact confidence interval."""
    if not found.total:
        return "-"
    low, high = found.interval
    return f"{found.percent:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _document(rows: Sequence[Row]) -> dict[str, object]:
    counted = [mutant for mutant in tally.mutants(rows) if mutant.counts]
    clean, localized = tally.clean_results(rows), tally.localized(rows)
    return {
        "power_version": POWER_VERSION,
        "detected": {name: _numbers(rate(counted, detected_by(name))) for name in DETECTORS},
        "false_positives": {name: _numbers(rate(clean, false_positive_of(name))) for name in DETECTORS},
        "false_positives_in": {
            mode.name: {name: _numbers(rate(clean, false_positive_of(name, mode.name))) for name in DETECTORS}
            for mode in OTHER_MODES
        },
        "localized": {name: _numbers(rate(localized, right_in(what))) for what, name in PLACES.items()},
        "rows": [vars(row) for row in rows],
        "exit_code": exit_code(rows),
    }


def _numbers(found: Rate) -> dict[str, object]:
    return {"hits": found.hits, "total": found.total, "interval": list(found.interval)}
