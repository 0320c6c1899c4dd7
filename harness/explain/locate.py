"""From two parties to the place where they part."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.data.batches import batch_sha256
from harness.explain.definition import DefinedStep, Definition
from harness.explain.local_test import Finding, try_pieces
from harness.explain.party import DTYPES, Meant, Party, initial
from harness.explain.piece import LIMIT_F64
from harness.explain.schedule import defined_rate
from harness.explain.whole import first_off, healing_fence, run_plain, run_tapped, worst_move, worst_of
from harness.nn.rules import registered_rules
from harness.spec.netspec import DType

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


def locate(
    a: Party,
    b: Party,
    step: int = 1,
    dtypes: Sequence[DType] = DTYPES,
    defined: tuple[Definition, DefinedStep] | None = None,
) -> Location:
    """Name what is off at a step, counted from 1, and on which side, against the definition.

    What was fed comes first; then every piece alone in f64, the whole step in f64, and every piece in f32. A whole that
    is off while its pieces are right is fenced: the boundary that heals it names the place. `defined`: what `define`
    gives, where the caller has it already.
    """
    parties = a, b
    said: list[str] = []
    for look in (_look_at_data, _look_at_rates):
        found = look(parties, said)
        if found is not None:
            return found
    definition, truth = define(a.meant, step) if defined is None else defined
    if not math.isfinite(truth.loss):
        said.append(f"definition: the loss of step {truth.t} is {truth.loss}, so nothing can be held to it.")
        return Location(None, evidence=tuple(said), conclusive=False)
    for dtype in dtypes:
        found = _look_at_pieces(parties, definition, truth, dtype, said)
        if found is not None:
            return found
        if dtype == "f64":
            found = _look_at_whole(parties, definition, truth, said)
            if found is not None:
                return found
    return Location(None, evidence=tuple(said))


def define(meant: Meant, step: int) -> tuple[Definition, DefinedStep]:
    """The definition of a network, and its own step of that number from the initial parameters."""
    definition = Definition(meant.graph, meant.config, registered_rules())
    rates = [float(defined_rate(meant.config, t, meant.steps_per_epoch)) for t in range(1, step + 1)]
    with np.errstate(all="ignore"):  # a step that overflows is found to be not finite, and said to be
        return definition, definition.steps(meant.batches[:step], rates, initial(meant))[-1]


def _look_at_data(parties: Sequence[Party], said: list[str]) -> Location | None:
    """Every batch that was fed, against the one that was to be."""
    for party in parties:
        if len(party.batches) != len(party.meant.batches):
            counts = f"{len(party.batches)} batches were fed, {len(party.meant.batches)} were meant"
            said.append(f"data: {party.pipeline}: {counts}.")
            return Location("data", "", "", party.pipeline, tuple(said))
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
    found = list(try_pieces(definition, truth, [(party.pipeline, party.alone[dtype]) for party in parties], dtype))
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
            f"pieces in {dtype}: {where}, {side}: {last.what} is off by {last.error:.2e}, "
            f"{last.allowed:.0e} allowed{more}."
        )
    fault: Fault = "numerics" if dtype == "f32" else first.direction
    side = sides[0] if len(sides) == 1 else "both"
    return Location(fault, first.layer, first.direction, side, tuple(said), tuple(found))


def _look_at_whole(
    parties: Sequence[Party], definition: Definition, truth: DefinedStep, said: list[str]
) -> Location | None:
    """The whole step as it runs in training; where one is off, with taps and with fences."""
    for party in parties:
        step = run_plain(party, party.sides["f64"], "f64", truth.t)[-1]
        found = worst_of(step, truth)
        if found.error <= LIMIT_F64:
            moved = worst_move(step, definition, truth) if truth.t == 1 else found
            if moved.error <= LIMIT_F64:
                continue
            said.append(f"whole step in f64: {party.pipeline}: the {moved.tensor} is off by {moved.error:.2e}.")
            return Location("optimizer", "optimizer", "optimizer", party.pipeline, tuple(said))
        said.append(f"whole step in f64: {party.pipeline}: the {found.tensor} is off by {found.error:.2e}.")
        tapped = run_tapped(party, "f64", truth.t)
        direction: Fault = "forward" if found.tensor == "loss" else "backward"
        boundary, fence = first_off(tapped, truth), healing_fence(party, truth)
        if boundary is None:
            said.append(f"with taps: {party.pipeline}: every value and cotangent between layers is right.")
        else:
            name, where, error = boundary
            said.append(f"with taps: {party.pipeline}: {where}, {name} is the first that is off, by {error:.2e}.")
            direction = "forward" if where == "forward" else "backward"
        if fence is not None:
            name, programs = fence
            said.append(f"fences: {party.pipeline}: one at {name} heals the step ({programs} programs tried).")
            return Location(direction, name, direction, party.pipeline, tuple(said))
        said.append(f"fences: {party.pipeline}: none heals the step.")
        if boundary is not None:
            return Location(direction, boundary[0], direction, party.pipeline, tuple(said))
        return Location(None, evidence=tuple(said), conclusive=False)
    moves = " and update" if truth.t == 1 else ""
    said.append(f"whole step in f64: the loss and every gradient{moves} of both are right.")
    return None
