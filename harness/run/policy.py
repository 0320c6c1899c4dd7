"""The choice of cells to run now."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Choice of cells to run. `resume`: skip those that have run exactly so. `refusal`: reason why none may start now.

    `longest_s`: the seconds that a cell that starts now may take.
    """

    resume: bool = False
    refusal: Callable[[], str | None] = lambda: None
    longest_s: Callable[[], float] = lambda: math.inf
