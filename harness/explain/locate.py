"""From two parties to the place where they part."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.data.batches import batch_sha256
from harness.explain.definition import DefinedStep, Definition
from harness.explain.local_test import Finding, test_locally
from harness.explain.party import DTYPES, Meant, Party, initial
from harness.explain.schedule import defined_rate
from harness.spec import DType

Fault = Literal["contract", "data", "forward", "backward", "optimizer", "schedule", "numerics"]
_RATE_RTOL = 2 * float(np.finfo(np.float32).eps)  # rates are f32 values


@dataclass(frozen=True)
class Location:
    """Where two parties part; `fault` None: nowhere that was looked at.

    `layer`: a node's name, `loss`, `optimizer`, or empty. `side`: the pipeline that is off, or `both`.
    `culprits`: everything that is off by itself, the first first. `evidence`: a line for each stage.
    `conclusive`: False where the two differ and no place was found.
    """

    fault: Fault | None
    layer: str = ""
    direction: str = ""
    side: str = ""
    evidence: tuple[str, ...] = ()
    culprits: tuple[Finding, ...] = field(default=())
    conclusive: bool = True


def locate(a: Party, b: Party, step: int = 1, dtypes: Sequence[DType] = DTYPES) -> Location:
    """Name what is off at a step, counted from 1, and on which side, against the definition.

    What was fed comes first; then every piece alone in f64, and if all are right there, in f32.
    """
    meant, parties = a.meant, (a, b)
    said: list[str] = []
    for look in (_look_at_data, _look_at_rates):
        found = look(parties, said)
        if found is not None:
            return found
    definition, truth = _truth(meant, step)
    for dtype in dtypes:
        found = _look_at_pieces(parties, definition, truth, dtype, said)
        if found is not None:
            return found
    return Location(None, evidence=tuple(said))


def _truth(meant: Meant, step: int) -> tuple[Definition, DefinedStep]:
    definition = Definition(meant.graph, meant.config)
    rates = [float(defined_rate(meant.config, t, meant.steps_per_epoch)) for t in range(1, step + 1)]
    return definition, definition.steps(meant.batches[:step], rates, initial(meant))[-1]


def _look_at_data(parties: Sequence[Party], said: list[str]) -> Location | None:
    """Every batch that was fed, against the one that was to be."""
    for party in parties:
        for t, (fed, meant) in enumerate(zip(party.batches, party.meant.batches, strict=True), 1):
            kinds = [
                what
                for what, mine, right in (("images", fed.x, meant.x), ("labels", fed.labels, meant.labels))
                if not np.array_equal(mine, right)
            ]
            if kinds:
                digests = [batch_sha256(batch.x, batch.labels)[:12] for batch in (fed, meant)]
                off = f"{' and '.join(kinds)} of step {t} are not those of the order"
                said.append(f"data: {party.pipeline}: {off}: batch {digests[0]}, not {digests[1]}.")
                return Location("data", "", "", party.pipeline, tuple(said))
    said.append(f"data: both were fed the {len(parties[0].batches)} batches of the order, images and labels.")
    return None


def _look_at_rates(parties: Sequence[Party], said: list[str]) -> Location | None:
    """Every learning rate, against the formula."""
    meant = parties[0].meant
    for party in parties:
        for t, rate in enumerate(party.rates, 1):
            right = float(defined_rate(meant.config, t, meant.steps_per_epoch))
            if not abs(rate - right) <= _RATE_RTOL * right:
                said.append(
                    f"schedule: {party.pipeline}: the rate of step {t} is {rate:.9g}, the formula's {right:.9g}."
                )
                return Location("schedule", "", "", party.pipeline, tuple(said))
    said.append(f"schedule: the rates of both are the formula's at {len(parties[0].rates)} steps.")
    return None


def _look_at_pieces(
    parties: Sequence[Party], definition: Definition, truth: DefinedStep, dtype: DType, said: list[str]
) -> Location | None:
    """Every layer, the loss and the update alone."""
    found = list(test_locally(definition, truth, [(party.pipeline, party.alone[dtype]) for party in parties]))
    if not found:
        said.append(f"pieces in {dtype}: every layer, the loss and the update alone are right on both sides.")
        return None
    first = found[0]
    at = [f for f in found if (f.layer, f.direction) == (first.layer, first.direction)]
    sides = list(dict.fromkeys(f.side for f in at))
    for side in sides:
        worst = {f.tensor: f for f in sorted(at, key=lambda f: f.error) if f.side == side}
        last = list(worst.values())[-1]
        more = f" (and {len(worst) - 1} other tensors)" if len(worst) > 1 else ""
        where = f"{first.layer}, {first.direction}" if first.layer != first.direction else first.layer
        said.append(
            f"pieces in {dtype}: {where}, {side}: {last.tensor} is off by {last.error:.2e}, "
            f"{last.allowed:.0e} allowed{more}."
        )
    fault: Fault = "numerics" if dtype == "f32" else first.direction  # type: ignore[assignment]
    side = sides[0] if len(sides) == 1 else "both"
    return Location(fault, first.layer, first.direction, side, tuple(said), tuple(found))
