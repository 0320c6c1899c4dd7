"""Rows counted: how often each detector saw what was injected, called it right, or complained of nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.validation.power.clean import PAIRS, Pair
from harness.validation.power.examination import Detection, PowerFinding
from harness.validation.power.fault import Fault
from harness.validation.power.faults import CASES, FAULTS, Case
from harness.validation.power.journal import Row
from harness.validation.power.localization import Localization
from harness.validation.power.pairs import DETECTORS

CONFIDENCE = 0.95
LARGE = 1e-4  # relative error of the first update from which on everything has to be seen


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
    """A row of an injected fault; `finding` is None where its process came to no end."""

    case: Case
    fault: Fault
    finding: PowerFinding | None
    trouble: str

    @property
    def counts(self) -> bool:
        """Whether there was something to find."""
        return self.finding is None or not self.finding.silent

    @property
    def is_large(self) -> bool:
        return self.finding is not None and self.finding.update_error >= LARGE

    def seen(self, detector: str) -> bool:
        """Whether a detector fails the pair."""
        return self.finding is not None and self.finding.said[detector].status == "FAIL"

    @property
    def called_right(self) -> bool:
        return self.finding is not None and self.finding.said["ladder"].fault == self.fault.called


@dataclass(frozen=True)
class Innocent:
    """A row of a right pair."""

    pair: Pair
    said: dict[str, Detection] | None
    trouble: str

    def accused(self, detector: str) -> bool:
        """Whether a detector does not pass it."""
        return self.said is None or self.said[detector].status != "PASS"


@dataclass(frozen=True)
class Localized:
    """A row of a fault that was to be localized; `placed` is None where its process came to no end."""

    case: Case
    fault: Fault
    placed: Localization | None
    trouble: str

    def right(self, what: str) -> bool:
        """Whether its `called`, `layer` or `side` is right."""
        return self.placed is not None and bool(getattr(self.placed, f"{what}_right"))


def is_readable(row: Row) -> bool:
    """Whether the finding of a row, if any, is one of its kind."""
    kinds: dict[str, Any] = {"mutants": PowerFinding, "clean": dict[str, Detection], "localization": Localization}
    try:
        finding = _as(row.finding, kinds[row.kind])
    except (KeyError, TypeError, msgspec.ValidationError):
        return False
    said = finding.said if isinstance(finding, PowerFinding) else finding
    return not isinstance(said, dict) or said.keys() >= set(DETECTORS)


def mutants(rows: Iterable[Row]) -> list[Mutant]:
    """Those of the rows."""
    cases = {case.name: case for case in CASES}
    return [
        Mutant(cases[row.name], FAULTS[cases[row.name].fault], _as(row.finding, PowerFinding), row.trouble)
        for row in rows
        if row.kind == "mutants"
    ]


def localized(rows: Sequence[Row]) -> list[Localized]:
    """Those of the rows whose fault the verdict found, or was not asked about."""
    missed = {mutant.case.name for mutant in mutants(rows) if not mutant.seen("ladder")}
    cases = {case.name: case for case in CASES}
    return [
        Localized(cases[row.name], FAULTS[cases[row.name].fault], _as(row.finding, Localization), row.trouble)
        for row in rows
        if row.kind == "localization" and row.name not in missed
    ]


def innocents(rows: Iterable[Row]) -> list[Innocent]:
    """Those of the rows."""
    pairs = {pair.name: pair for pair in PAIRS}
    return [
        Innocent(pairs[row.name], _as(row.finding, dict[str, Detection]), row.trouble)
        for row in rows
        if row.kind == "clean"
    ]


def seen_by(detector: str) -> Callable[[Mutant], bool]:
    """Whether that detector fails a mutant."""
    return lambda mutant: mutant.seen(detector)


def right_in(what: str) -> Callable[[Localized], bool]:
    """Whether its `called`, `layer` or `side` is right."""
    return lambda one: one.right(what)


def accused_by(detector: str) -> Callable[[Innocent], bool]:
    """Whether that detector does not pass a right pair."""
    return lambda innocent: innocent.accused(detector)


def rate(found: Sequence[Any], hit: Callable[[Any], bool]) -> Rate:
    """How many of them are hits."""
    return Rate(sum(map(hit, found)), len(found))


def _as(finding: Any, kind: Any) -> Any:
    return None if finding is None else msgspec.convert(finding, kind)
