"""Everything that is to be examined of whole runs, as targets of a campaign."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.system.process import run_module
from harness.validation.late.evidence import LATE_DETECTORS
from harness.validation.late.examination import WHOLE_PAIRS, LateFinding
from harness.validation.late.faults import LATE_CASES
from harness.validation.power.campaign import Campaign, Target
from harness.validation.power.journal import Row

LATE, WHOLE = "late", "whole"
LATE_TARGETS = (
    *(Target(LATE, case.name, f"{case.network} {case.side}") for case in LATE_CASES),
    *(Target(WHOLE, pair.name, f"{pair.network} {pair.variation}") for pair in WHOLE_PAIRS),
)


def late_campaign(targets: Sequence[Target], folder: Path) -> Campaign:
    """The campaign of some of them."""
    return Campaign(targets, folder, run_module("harness.validation.late.worker"), lambda row: _read(row) is not None)


def finding_of(row: Row) -> LateFinding | None:
    """The finding of a row; None where its process did not finish."""
    return None if row.finding is None else _read(row)


def _read(row: Row) -> LateFinding | None:
    try:
        found = msgspec.convert(row.finding, LateFinding)
    except msgspec.ValidationError:
        return None
    return found if found.detections.keys() == set(LATE_DETECTORS) else None
