"""Rows counted: injected faults that each detector found and classified, and its false positives on clean pairs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.validation.power.clean import PAIRS, CleanFinding
from harness.validation.power.examination import PowerFinding
from harness.validation.power.fault import Fault
from harness.validation.power.faults import CASES, FAULTS, Case
from harness.validation.power.journal import Row
from harness.validation.power.localization import Localization
from harness.validation.power.pairs import DETECTORS, OTHER_MODES, VERIFY
from harness.validation.variations import CleanPair

CONFIDENCE = 0.95
LARGE = 1e-4  # relative error of the first update from which on no fault may survive


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    hits: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """The exact confidence interval of Clopper and Pearson."""
        from scipy.stats import binomtest

        if self.total == 0:
            return 0.0, 1.0
        found = binomtest(self.hits, self.total).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)

    @property
    def percent(self) -> float:
        """NaN of nothing."""
        return 100 * self.hits / self.total if self.total else float("nan")


@dataclass(frozen=True)
class Mutant:
    """A row of an injected fault; `finding` is None where its process did not finish."""

    case: Case
    fault: Fault
    finding: PowerFinding | None
    trouble: str

    @property
    def counts(self) -> bool:
        """False where the fault changed nothing, so that there was nothing to detect."""
        return self.finding is None or not self.finding.silent

    @property
    def is_large(self) -> bool:
        return self.finding is not None and self.finding.update_error >= LARGE

    def detected(self, detector: str) -> bool:
        """True when a detector fails the pair."""
        return self.finding is not None and self.finding.detections[detector].status == "FAIL"

    @property
    def called_right(self) -> bool:
        return self.finding is not None and self.finding.detections[VERIFY].fault == self.fault.called


@dataclass(frozen=True)
class CleanResult:
    """A row of a clean pair; `finding` is None where its process did not finish."""

    pair: CleanPair
    finding: CleanFinding | None
    trouble: str

    def is_false_positive(self, detector: str, mode: str | None = None) -> bool:
        """True when a detector does not pass the pair. `mode`: other than the usual one."""
        if self.finding is None:
            return True
        if mode is not None:
            return self.finding.statuses[mode][detector] != "PASS"
        return self.finding.detections[detector].status != "PASS"


@dataclass(frozen=True)
class Localized:
    """A row of a fault that was to be localized; `localization` is None where its process did not finish."""

    case: Case
    fault: Fault
    localization: Localization | None
    trouble: str

    def right(self, what: str) -> bool:
        """True when its `called`, `layer` or `side` is right."""
        return self.localization is not None and bool(getattr(self.localization, f"{what}_right"))


def is_readable(row: Row) -> bool:
    """True when the finding of a row, if any, is one of its kind."""
    kinds: dict[str, Any] = {"mutants": PowerFinding, "clean": CleanFinding, "localization": Localization}
    try:
        finding = _as(row.finding, kinds[row.kind])
    except (KeyError, TypeError, msgspec.ValidationError):
        return False
    if isinstance(finding, CleanFinding) and finding.statuses.keys() != {mode.name for mode in OTHER_MODES}:
        return False
    return not isinstance(finding, PowerFinding | CleanFinding) or finding.detections.keys() >= set(DETECTORS)


def mutants(rows: Iterable[Row]) -> list[Mutant]:
    """The rows of injected faults."""
    cases = {case.name: case for case in CASES}
    return [
        Mutant(cases[row.name], FAULTS[cases[row.name].fault], _as(row.finding, PowerFinding), row.trouble)
        for row in rows
        if row.kind == "mutants"
    ]


def localized(rows: Sequence[Row]) -> list[Localized]:
    """The rows of faults to be localized that the verdict detected, or was not asked about."""
    missed = {mutant.case.name for mutant in mutants(rows) if not mutant.detected(VERIFY)}
    cases = {case.name: case for case in CASES}
    return [
        Localized(cases[row.name], FAULTS[cases[row.name].fault], _as(row.finding, Localization), row.trouble)
        for row in rows
        if row.kind == "localization" and row.name not in missed
    ]


def clean_results(rows: Iterable[Row]) -> list[CleanResult]:
    """The rows of clean pairs."""
    pairs = {pair.name: pair for pair in PAIRS}
    return [
        CleanResult(pairs[row.name], _as(row.finding, CleanFinding), row.trouble) for row in rows if row.kind == "clean"
    ]


def detected_by(detector: str) -> Callable[[Mutant], bool]:
    """A predicate of mutants: that detector fails it."""
    return lambda mutant: mutant.detected(detector)


def right_in(what: str) -> Callable[[Localized], bool]:
    """A predicate of localized faults: its `called`, `layer` or `side` is right."""
    return lambda one: one.right(what)


def false_positive_of(detector: str, mode: str | None = None) -> Callable[[CleanResult], bool]:
    """A predicate of clean pairs: that detector does not pass it. `mode`: other than the usual one."""
    return lambda result: result.is_false_positive(detector, mode)


def rate(found: Sequence[Any], hit: Callable[[Any], bool]) -> Rate:
    """The share of hits among them."""
    return Rate(sum(map(hit, found)), len(found))


def _as(finding: Any, kind: Any) -> Any:
    return None if finding is None else msgspec.convert(finding, kind)
