"""Coverage: of how many steps a verdict speaks as closely as rounding allows, and by what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.verdict.compare import Comparison, Numbers
from harness.verdict.evidence import Evidence, inconclusive, note

COVERAGE = "coverage"
STEPS = "judged_steps"  # the number by which a gate says how many steps it has judged as closely as rounding allows


@dataclass(frozen=True)
class Coverage:
    """Steps judged, of those that were planned; `by`: the gate that judged most of them, None where none did."""

    judged: int
    planned: int
    by: str | None

    @property
    def complete(self) -> bool:
        return self.judged >= self.planned

    @property
    def share(self) -> float:
        """The part that was judged; 1 of nothing."""
        return self.judged / self.planned if self.planned else 1.0

    @property
    def words(self) -> str:
        """For people: `8 of 200 steps`."""
        return f"{self.judged} of {self.planned} steps"


def find_coverage(comparison: Comparison, evidence: Sequence[Evidence]) -> Coverage | None:
    """The coverage of a verdict; None where no steps were compared.

    `planned_steps` of the headers say how many there should be; without them, as many as the longer side has.
    """
    numbers = comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    sides = [side.trace for side in (comparison.a, comparison.b)]
    planned = max(*(side.header.planned_steps or 0 for side in sides), *(side.last_step for side in sides))
    if comparison.judging.steps is not None:
        planned = min(planned, comparison.judging.steps)
    told = [
        (int(line.numbers[STEPS]), line.gate) for line in evidence if line.outcome == "pass" and STEPS in line.numbers
    ]
    told.append((_equal(comparison, numbers), "equal losses"))
    judged, by = max(told, key=lambda one: one[0])
    return Coverage(min(judged, planned), planned, by if judged else None)


def _equal(comparison: Comparison, numbers: Numbers) -> int:
    """From the first on, the steps whose losses are equal in every bit; 0 where they were printed more coarsely."""
    if comparison.resolution_a is not None or comparison.resolution_b is not None:
        return 0
    apart = np.flatnonzero(numbers.delta[: numbers.unbroken] != 0)
    return int(apart[0]) if apart.size else numbers.unbroken


def coverage_line(coverage: Coverage | None, required: float) -> Evidence | None:
    """What the verdict says of it. `required`: the least share, below which a pass is none."""
    if coverage is None:
        return None
    line = f"{coverage.words} are judged as closely as rounding allows"
    line += f", by {coverage.by}" if coverage.by is not None else ""
    if coverage.share < required:
        return inconclusive(f"{line}; {100 * required:g} % is required.").of(COVERAGE)
    return note(f"{line}.").of(COVERAGE)
