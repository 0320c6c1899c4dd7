"""Steps that are not consecutive from 1: which of them count, and what is said of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.trace.format import Ints

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def ascending_runs(steps: Ints) -> list[slice]:
    """The rows between which the step does not ascend. Shapes: steps (n,), n > 0."""
    turns = (np.flatnonzero(np.diff(steps) <= 0) + 1).tolist()
    return [slice(start, stop) for start, stop in pairwise([0, *turns, len(steps)])]


def later_rows(steps: Sequence[int]) -> tuple[list[int], list[str]]:
    """The rows that count of those in a file's order, and what is said of the others.

    Where the step does not ascend, a run was resumed further back: what it takes again from there on counts.
    """
    rows: list[int] = []
    resumed: list[tuple[int, int]] = []
    for row, step in enumerate(steps):
        again = len(rows)
        while rows and steps[rows[-1]] >= step:
            rows.pop()
        if again > len(rows):
            resumed.append((step, again - len(rows)))
        rows.append(row)
    return rows, resumed_notes(resumed)


def resumed_notes(resumed: Sequence[tuple[int, int]]) -> list[str]:
    """What is said of a run that was resumed at some steps, each with the number of steps that are there again."""
    if not resumed:
        return []
    first, again = resumed[0][0], sum(count for _, count in resumed)
    where = f"at step {first}" if len(resumed) == 1 else f"{len(resumed)} times, at first at step {first}"
    return [f"resumed {where}: the later values count, and not the {again} before them"]


def counts_epochs_from_one(epochs: Ints, steps: Ints) -> bool:
    """Whether the first epoch is called 1; what begins later than a first row can, as a resumed run, does not tell.

    Shapes: epochs, steps (n,).
    """
    if len(steps) == 0 or int(epochs[0]) != 1:
        return False
    return bool(steps[0] <= (1 if len(steps) == 1 else steps[1] - steps[0]))


def is_regular(steps: Ints) -> bool:
    """Whether steps are those of a program that logs every so many-th, the first and the last one perhaps besides.

    Shapes: steps (n,).
    """
    if len(steps) < 2:
        return len(steps) == 1 and int(steps[0]) == 1
    gaps = np.diff(steps)
    usual = int(np.median(gaps))
    apart = bool((gaps[1:-1] == usual).all() and gaps[0] <= usual and gaps[-1] <= usual)
    return apart and int(steps[0]) <= usual


def spacing_notes(steps: Ints) -> list[str]:
    """What is said of steps that are not consecutive from 1. Shapes: steps (n,)."""
    if len(steps) == 0:
        return []
    notes = []
    if steps[0] != 1 and not is_regular(steps):
        notes.append(f"from step {steps[0]}")
    if len(steps) > 1 and (gaps := np.diff(steps)).max() > 1:
        regular = f"every {_ordinal(int(np.median(gaps)))} step"
        notes.append(regular if is_regular(steps) else f"{len(steps)} of {steps[-1]} steps")
    return notes


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{_ENDINGS.get(number % 10, 'th')}"
