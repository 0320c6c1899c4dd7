"""The choice of cells to run now, and those that were run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.trace.store import StoredCell


@dataclass(frozen=True)
class Policy:
    """Choice of cells to run. `resume`: skip those that have run exactly so. `refusal`: reason why none may start now.

    `longest_s`: the seconds that a cell that starts now may take.
    """

    resume: bool = False
    refusal: Callable[[], str | None] = lambda: None
    longest_s: Callable[[], float] = lambda: math.inf


@dataclass(frozen=True)
class CellsOfRun:
    """Cells of a verification. `evidence`: cells that were run for the sake of others."""

    cells: tuple[StoredCell, ...]
    evidence: tuple[StoredCell, ...]
