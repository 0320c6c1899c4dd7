"""What one gate found."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "inconclusive", "unreached", "note"]


@dataclass(frozen=True)
class Evidence:
    """One gate's line. `place`: where it failed (a step, an epoch, a header key).

    A "note" decides nothing; "unreached" means that the pair holds nothing for this gate to judge.
    """

    gate: str
    outcome: Outcome
    line: str
    place: str | None = None
