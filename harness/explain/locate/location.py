"""From two sides to the place where they differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.data.batches import batch_sha256
from harness.explain.locate.definition import DefinedStep, Definition, defined_rate
from harness.explain.locate.experiment import Experiment
from harness.explain.locate.findings import Finding, find_failures
from harness.explain.locate.pieces import LIMIT_F64
from harness.explain.locate.side_under_test import DTYPES, SideUnderTest
from harness.explain.locate.whole_step import (
    find_barrier,
    first_deviating_boundary,
    run_plain,
    run_tapped,
    worst_deviation,
    worst_update,
)
from harness.nn.rules import registered_rules
from harness.spec.netspec import DType

LocatedFault = Literal["contract", "data", "forward", "backward", "optimizer", "schedule", "numerics"]
_RATE_RTOL = 2 * float(np.finfo(np.float32).eps)  # rates are f32 values


@dataclass(frozen=True)
class Location:
    """The place where two sides differ; `fault` None: no place that was examined.

    `layer`: a node's name, `loss`, `optimizer`, or empty. `side`: the pipeline that is wrong, or `both`.
    `culprits`: everything that fails in isolation, in the order of a step. `evidence`: a line for each stage.
    `conclusive`: False where the two differ and no place was found.
    """

    fault: LocatedFault | None
    layer: str = ""
    direction: str = ""
    side: str = ""
    evidence: tuple[str, ...] = ()
    culprits: tuple[Finding, ...] = field(default=())
    conclusive: bool = True


def locate(
    a: SideUnderTest,
    b: SideUnderTest,
    step: int = 1,
    dtypes: Sequence[DType] = DTYPES,
    defined: tuple[Definition, DefinedStep] | None = None,
) -> Location:
    """The fault of a step, counted from 1, and its side, judged by the definition.

    The feed comes first; then every piece in isolation in f64, the whole step in f64, and every piece in f32. Where the
    whole step is wrong and its pieces are correct, the boundary whose optimization barrier removes the error is the
    place. `defined`: the result of `define`, where the caller has it already.
    """
    sides = a, b
    evidence: list[str] = []
    for check in (_check_batches, _check_rates):
        location = check(sides, evidence)
        if location is not None:
            return location
    definition, truth = define(a.experiment, step) if defined is None else defined
    if not math.isfinite(truth.loss):
        evidence.append(f"definition: the loss of step {truth.t} is {truth.loss}, so nothing can be compared with it.")
        return Location(None, evidence=tuple(evidence), conclusive=False)
    for dtype in dtypes:
        location = _check_pieces(sides, definition, truth, dtype, evidence)
        if location is not None:
            return location
        if dtype == "f64":
            location = _check_whole_step(sides, definition, truth, evidence)
            if location is not None:
                return location
    return Location(None, evidence=tuple(evidence))


def define(experiment: Experiment, step: int) -> tuple[Definition, DefinedStep]:
    """The definition of a network, and its own step of that number from the initial parameters."""
    definition = Definition(experiment.graph, experiment.config, registered_rules())
    rates = [float(defined_rate(experiment.config, t, experiment.steps_per_epoch)) for t in range(1, step + 1)]
    with np.errstate(all="ignore"):  # a step that overflows is found to be not finite, and reported
        return definition, definition.steps(experiment.batches[:step], rates, experiment.initial_parameters())[-1]


def _check_batches(sides: Sequence[SideUnderTest], evidence: list[str]) -> Location | None:
    """Every batch of both sides, against that of the experiment."""
    for side in sides:
        if len(side.batches) != len(side.experiment.batches):
            counts = f"{len(side.batches)} batches, expected {len(side.experiment.batches)}"
            evidence.append(f"data: {side.pipeline}: {counts}.")
            return Location("data", "", "", side.pipeline, tuple(evidence))
        for t, (batch, expected) in enumerate(zip(side.batches, side.experiment.batches, strict=True), 1):
            wrong = [
                what
                for what, actual, right in (("images", batch.x, expected.x), ("labels", batch.labels, expected.labels))
                if not np.array_equal(actual, right)
            ]
            if wrong:
                digests = [batch_sha256(one.x, one.labels)[:12] for one in (batch, expected)]
                differ = f"{' and '.join(wrong)} of step {t} are not the expected ones"
                evidence.append(f"data: {side.pipeline}: {differ}: batch {digests[0]}, expected {digests[1]}.")
                return Location("data", "", "", side.pipeline, tuple(evidence))
    evidence.append(f"data: both sides have the expected {len(sides[0].batches)} batches, images and labels.")
    return None


def _check_rates(sides: Sequence[SideUnderTest], evidence: list[str]) -> Location | None:
    """Every learning rate of both sides, against the formula."""
    experiment = sides[0].experiment
    for side in sides:
        for t, rate in enumerate(side.rates, 1):
            expected = float(defined_rate(experiment.config, t, experiment.steps_per_epoch))
            if not abs(rate - expected) <= _RATE_RTOL * expected:
                rates = f"the learning rate of step {t} is {rate:.9g}, by the formula {expected:.9g}"
                evidence.append(f"schedule: {side.pipeline}: {rates}.")
                return Location("schedule", "", "", side.pipeline, tuple(evidence))
    evidence.append(f"schedule: the learning rates of both sides are the formula's at {len(sides[0].rates)} steps.")
    return None


def _check_pieces(
    sides: Sequence[SideUnderTest], definition: Definition, truth: DefinedStep, dtype: DType, evidence: list[str]
) -> Location | None:
    """Every layer, the loss and the update in isolation."""
    pieces = [(side.pipeline, side.isolated[dtype]) for side in sides]
    findings = list(find_failures(definition, truth, pieces, dtype))
    stage = f"isolated pieces in {dtype}"
    if not findings:
        evidence.append(f"{stage}: every layer, the loss and the update are correct on both sides.")
        return None
    first = findings[0]
    at = [f for f in findings if (f.layer, f.direction) == (first.layer, first.direction)]
    wrong = list(dict.fromkeys(f.side for f in at))
    where = f"{first.layer}, {first.direction}" if first.layer != first.direction else first.layer
    for name in wrong:
        tensors = {f.tensor: f for f in sorted(at, key=lambda f: f.error) if f.side == name}
        worst = list(tensors.values())[-1]
        others = f" (and {len(tensors) - 1} other tensors)" if len(tensors) > 1 else ""
        deviates = f"{worst.wrong_result} deviates by {worst.error:.2e}, {worst.allowed:.0e} allowed{others}"
        evidence.append(f"{stage}: {where}, {name}: {deviates}.")
    fault: LocatedFault = "numerics" if dtype == "f32" else first.direction
    side = wrong[0] if len(wrong) == 1 else "both"
    return Location(fault, first.layer, first.direction, side, tuple(evidence), tuple(findings))


def _check_whole_step(
    sides: Sequence[SideUnderTest], definition: Definition, truth: DefinedStep, evidence: list[str]
) -> Location | None:
    """The whole step as it runs in training."""
    for side in sides:
        step = run_plain(side, side.programs["f64"], "f64", truth.t)[-1]
        worst = worst_deviation(step, truth)
        if not worst.error <= LIMIT_F64:
            evidence.append(f"whole step in f64: {side.pipeline}: the {worst.tensor} deviates by {worst.error:.2e}.")
            return _place_in_step(side, truth, "forward" if worst.tensor == "loss" else "backward", evidence)
        update = worst_update(step, definition, truth) if truth.t == 1 else worst
        if not update.error <= LIMIT_F64:
            evidence.append(f"whole step in f64: {side.pipeline}: the {update.tensor} deviates by {update.error:.2e}.")
            return Location("optimizer", "optimizer", "optimizer", side.pipeline, tuple(evidence))
    updates = " and update" if truth.t == 1 else ""
    evidence.append(f"whole step in f64: the loss and every gradient{updates} of both sides are correct.")
    return None


def _place_in_step(side: SideUnderTest, truth: DefinedStep, direction: LocatedFault, evidence: list[str]) -> Location:
    """The place of an error that only the whole step has: with taps between the layers, and with barriers."""
    boundary = first_deviating_boundary(run_tapped(side, "f64", truth.t), truth)
    if boundary is None:
        evidence.append(f"with taps: {side.pipeline}: every value and cotangent between layers is correct.")
    else:
        name, where, error = boundary
        evidence.append(f"with taps: {side.pipeline}: {where}, {name} is the first that deviates, by {error:.2e}.")
        direction = "forward" if where == "forward" else "backward"
    barrier = find_barrier(side, truth)
    if barrier is not None:
        name, programs = barrier
        removes = f"an optimization barrier at {name} removes the error ({programs} programs tried)"
        evidence.append(f"barriers: {side.pipeline}: {removes}.")
        return Location(direction, name, direction, side.pipeline, tuple(evidence))
    evidence.append(f"barriers: {side.pipeline}: no optimization barrier removes the error.")
    if boundary is not None:
        return Location(direction, boundary[0], direction, side.pipeline, tuple(evidence))
    return Location(None, evidence=tuple(evidence), conclusive=False)
