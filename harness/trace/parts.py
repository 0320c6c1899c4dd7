"""The parts of a run: steps that are taken from given states, without those between them.

`9+4,401+0` is four steps from the state before step 9 on, and none from the one before step 401 on. Source:
traces/README.md, Parts of a run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int64]
_PART = "[1-9][0-9]{0,15}[+][0-9]{1,15}"
_PARTS = re.compile(f"{_PART}(,{_PART})*")


@dataclass(frozen=True)
class Part:
    """`count` steps from `first` on, which may be none."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The step after the last one."""
        return self.first + self.count

    @property
    def steps(self) -> range:
        """The numbers of its steps."""
        return range(self.first, self.end)

    def __str__(self) -> str:
        return f"{self.first}+{self.count}"


WHOLE = (Part(1, 2**53),)


def parse_parts(text: str) -> tuple[Part, ...]:
    """The parts of a text. Raises: ValueError for one that has none, or parts that overlap or go back."""
    if not _PARTS.fullmatch(text):
        raise ValueError("expected parts of a run as STEP+COUNT, several by commas")
    parts = tuple(Part(*map(int, part.split("+"))) for part in text.split(","))
    for part, after in pairwise(parts):
        if after.first < part.end:
            raise ValueError(f"{after} begins before {part} has ended")
    return parts


def format_parts(parts: Sequence[Part]) -> str:
    """The text of some parts."""
    return ",".join(map(str, parts))


class StepNumbers:
    """The steps of some parts in their order, by row: 9, 10, 11, 12, then 401, …"""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._first = np.array([part.first for part in parts], np.int64)
        self._end = np.cumsum([part.count for part in parts], dtype=np.int64)
        self._start = np.append(0, self._end[:-1])

    def of_rows(self, rows: _Ints) -> _Ints:
        """The steps of rows, counted from 0; 0 for a row past the last. Shapes: both (rows,)."""
        part = np.searchsorted(self._end, rows, side="right")
        inside = part < len(self._end)
        part = np.where(inside, part, 0)
        return np.where(inside, self._first[part] + rows - self._start[part], 0)
