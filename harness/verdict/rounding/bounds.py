"""The bounds that right pairs keep, by kind of channel and step: fitted, times a margin that was chosen."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import EnvelopeError
from harness.verdict.rounding.against_f64 import F64Bounds
from harness.verdict.rounding.later import LaterBounds
from harness.verdict.rounding.lockstep import LockstepBounds
from harness.verdict.rounding.measure import STATISTICS
from harness.verdict.rounding.near import NearBounds

# By statistic and kind of channel: a bound for each of the first steps.
Table = dict[str, dict[str, list[float]]]
CLASSES = ("shallow, calm", "shallow, rough", "deep, calm", "deep, rough")
BOUNDS_FILE = Path(__file__).with_name("bounds.json")


class RoundingBounds(msgspec.Struct, kw_only=True, frozen=True):
    """The largest relative differences of the right pairs that they were fitted on, times `margin`.

    How far right pairs come apart depends on two things. In a deep network, of many tensors, rounding grows on the way
    through. And in a rough pair units have flipped, as some do where a batch has millions of values: the gradients
    below them are apart by a thousand times as much as in a calm one, though the loss and the gradients above are not.
    Whether a pair is still calm shows in its gradients up to a step.

    `tables`: for each of the `CLASSES`, by statistic (`measure.STATISTICS`) and kind, a bound for each of the first
    steps. `deep_from`: tensors of a deep network. `calm_up_to`: the typical difference of the gradients of a pair that
    is still calm. `margin`: the factor by which the pairs of one network may exceed those of all others. `device`: a
    further one for runs that are not known to be of CPUs, where the fit was made. `later`: what is asked of the steps
    after the first. `against_f64`: how much further from f64 one side may be than the other, from either start.
    `lockstep`: what is asked of a run in lockstep; `near`: of one beside what an ulp leads to. `fitted_on`,
    `held_out`: where they come from, and how the pairs of each network fared under a fit to the others.
    """

    margin: float
    device: float
    deep_from: int
    calm_up_to: float
    tables: dict[str, Table]
    later: LaterBounds
    against_f64: F64Bounds
    lockstep: LockstepBounds
    near: NearBounds
    fitted_on: dict[str, Any]
    held_out: dict[str, Any]

    @property
    def steps(self) -> int:
        """The steps that they are for, from 1."""
        return min(len(row) for table in self.tables.values() for kinds in table.values() for row in kinds.values())

    def classes(self, tensors: int | None, gradients: float | None, factor: float = 1.0) -> tuple[str, ...]:
        """The classes that a pair may belong to: all that nothing tells it apart from.

        `tensors`: of the network. `gradients`: their typical difference up to that step. `factor`: on the bounds.
        """
        depths = ("shallow", "deep") if tensors is None else ("deep" if tensors >= self.deep_from else "shallow",)
        calm = gradients is not None and gradients <= self.calm_up_to * factor
        return tuple(f"{depth}, {kind}" for depth in depths for kind in (("calm",) if calm else ("calm", "rough")))

    def allowed(self, statistic: str, kind: str, step: int, classes: Sequence[str]) -> float:
        """The loosest bound of those classes; infinite for a kind that no pair had."""
        rows = [self.tables[name][statistic].get(kind) for name in classes]
        return max((row[step - 1] for row in rows if row is not None), default=float("inf"))

    @property
    def source(self) -> str:
        """For people: what they were fitted on."""
        networks = {name.partition("@")[0] for name in self.fitted_on["networks"]}  # without their batches
        return f"{self.fitted_on['pairs']:,} right pairs of {len(networks)} networks"


@cache
def fitted_bounds() -> RoundingBounds:
    """The bounds that this package ships. Raises: EnvelopeError if the file is damaged."""
    try:
        bounds = msgspec.json.decode(BOUNDS_FILE.read_bytes(), type=RoundingBounds)
    except (OSError, msgspec.DecodeError) as error:
        raise EnvelopeError(f"{BOUNDS_FILE}: not bounds: {error}. Install the package again.") from None
    rows = [row for table in bounds.tables.values() for kinds in table.values() for row in kinds.values()]
    whole = bounds.tables.keys() == set(CLASSES) and all(t.keys() == set(STATISTICS) for t in bounds.tables.values())
    if not whole or not rows or any(value <= 0 for row in rows for value in row):
        raise EnvelopeError(f"{BOUNDS_FILE}: its numbers bound nothing. Install the package again.")
    return bounds
