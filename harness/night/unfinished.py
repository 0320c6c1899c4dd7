"""What a night set out to do and did not come to: it was killed, or it is still running."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from harness.commands.verify import planned_cells, planned_f64_cells
from harness.errors import HarnessError
from harness.night.folder import Night
from harness.trace.store import ShelvedCell

_WHY = "not run: the night did not come to it"


def find_unfinished(
    night: Night, cells: Sequence[ShelvedCell], checks: Collection[str], problems: Sequence[str]
) -> Iterator[str]:
    """A line for each cell and check of the night that has no result.

    `cells`: what it left; `checks`: names of those that were run; `problems`: of networks that could not be.
    """
    try:
        config = night.parsed
        verifications = config.options(night.night, Path())
    except HarnessError as error:
        yield f"what the night set out to do is not known: {error}"
        return
    there = {(cell.name, cell.facts.evidence) for cell in cells}
    for options in verifications:
        if any(problem.startswith(f"{options.stem}: ") for problem in problems):
            continue
        planned = [cell.name for cell, _ in planned_cells(options)]
        ours = [cell for cell in cells if cell.name in planned and not cell.facts.evidence]
        missing = [(name, False) for name in planned]
        missing += [(cell.name, True) for _, cell in planned_f64_cells(options, ours)]
        yield from (f"{name}: {_WHY}" for name, evidence in missing if (name, evidence) not in there)
    yield from (f"check {part.name}: {_WHY}" for part in config.check if part.name not in checks)
