"""The bounds that right pairs keep, by kind of channel and step. They were fitted, never set by hand."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import EnvelopeError
from harness.verdict.rounding.later import LaterBounds
from harness.verdict.rounding.measure import STATISTICS

# By statistic and kind of channel: a bound for each of the first steps.
Table = dict[str, dict[str, list[float]]]
BOUNDS_FILE = Path(__file__).with_name("bounds.json")


class RoundingBounds(msgspec.Struct, kw_only=True, frozen=True):
    """The largest relative differences of the right pairs that they were fitted on, times `margin`.

    There are two kinds of pairs, told apart by the first gradients. In calm ones these agree like everything else that
    is rounded. In rough ones, in most of which a pool meets ties that both sides break in their own way, units have
    flipped, and the gradients below them are apart by a thousand times as much, though the loss and the gradients above
    are not.

    `calm`, `rough`: by statistic (`measure.STATISTICS`) and kind, a bound for each of the first steps. `calm_up_to`:
    the typical difference of the first gradients of a calm pair. `margin`: the factor by which the pairs of one network
    may exceed those of all others. `device`: a further one for runs that are not known to be of CPUs, where the fit was
    made. `later`: what is asked of the steps after the first. `fitted_on`, `held_out`: where they come from, and how
    the pairs of each network fared under a fit to the others.
    """

    margin: float
    device: float
    calm_up_to: float
    calm: Table
    rough: Table
    later: LaterBounds
    fitted_on: dict[str, Any]
    held_out: dict[str, Any]

    @property
    def steps(self) -> int:
        """The steps that they are for, from 1."""
        return min(len(row) for kinds in self.calm.values() for row in kinds.values())

    def allowed(self, statistic: str, kind: str, step: int, calm: bool) -> float:
        """The bound; infinite for a kind that no pair had.

        `calm`: whether the pair is; where nothing tells, and of a loss alone nothing does, the looser bound counts.
        """
        rows = [table[statistic].get(kind) for table in ((self.calm,) if calm else (self.calm, self.rough))]
        return max((row[step - 1] for row in rows if row is not None), default=float("inf"))

    @property
    def source(self) -> str:
        """For people: what they were fitted on."""
        return f"{self.fitted_on['pairs']:,} right pairs of {len(self.fitted_on['networks'])} networks"


@cache
def fitted_bounds() -> RoundingBounds:
    """The bounds that this package ships. Raises: EnvelopeError if the file is damaged."""
    try:
        bounds = msgspec.json.decode(BOUNDS_FILE.read_bytes(), type=RoundingBounds)
    except (OSError, msgspec.DecodeError) as error:
        raise EnvelopeError(f"{BOUNDS_FILE}: not bounds: {error}. Install the package again.") from None
    tables = (bounds.calm, bounds.rough)
    rows = [row for table in tables for kinds in table.values() for row in kinds.values()]
    whole = all(table.keys() == set(STATISTICS) for table in tables)
    if not whole or not rows or any(value <= 0 for row in rows for value in row):
        raise EnvelopeError(f"{BOUNDS_FILE}: its numbers bound nothing. Install the package again.")
    return bounds
