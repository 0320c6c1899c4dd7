"""Whole training steps of a side: how far they deviate from the definition, where, and which barrier removes that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.explain.locate.definition import DefinedStep, Definition
from harness.explain.locate.pieces import LIMIT_F64, norm, relative
from harness.explain.locate.side_under_test import SideUnderTest
from harness.run.inprocess import Batch, Side, Step, Tapped
from harness.spec.netspec import DType

_FLOOR = 1e-3  # of the mean gradient: one that is zero but for rounding is no evidence


@dataclass(frozen=True)
class Deviation:
    """The distance of a tensor of a step from the definition's, in units of its scale."""

    tensor: str
    error: float


def feed_of(side: SideUnderTest, dtype: DType, step: int) -> tuple[list[Batch], list[np.float32]]:
    """Batches and rates of the steps up to that one, in the dtype."""
    kind = side.programs[dtype].kind
    batches = [Batch(batch.x.astype(kind), batch.labels) for batch in side.batches[:step]]
    return batches, [np.float32(rate) for rate in side.rates[:step]]


def run_plain(side: SideUnderTest, program: Side, dtype: DType, step: int) -> list[Step]:
    """The steps up to that one as they run in training."""
    return program.train(*feed_of(side, dtype, step))


def run_tapped(side: SideUnderTest, dtype: DType, step: int) -> Tapped:
    """The step with every value and cotangent between layers."""
    return side.programs[dtype].tapped(*feed_of(side, dtype, step))


def worst_deviation(step: Step, truth: DefinedStep) -> Deviation:
    """The loss or the gradient that deviates most."""
    return max(_deviations(step, truth), key=lambda deviation: deviation.error)


def worst_update(step: Step, definition: Definition, truth: DefinedStep) -> Deviation:
    """The parameter whose first update deviates most from the definition's for the side's own gradients."""
    new_params, _ = definition.update(truth.params, truth.slots, step.grads, truth.rate, truth.t)
    deviations = []
    for name, before in truth.params.items():
        scale = norm(new_params[name] - before) + 1e-6 * norm(before)
        deviations.append(Deviation(f"update of {name}", relative(norm(step.params[name] - new_params[name]), scale)))
    return max(deviations, key=lambda deviation: deviation.error)


def _deviations(step: Step, truth: DefinedStep) -> Iterator[Deviation]:
    yield Deviation("loss", relative(abs(step.loss - truth.loss), abs(truth.loss)))
    for name, scale in gradient_scales(truth).items():
        yield Deviation(f"gradient w.r.t. {name}", relative(norm(step.grads[name] - truth.grads[name]), scale))


def gradient_scales(truth: DefinedStep) -> dict[str, float]:
    """The scale of the error of every gradient, by parameter: its norm, and at least a common floor."""
    norms = {name: norm(g) for name, g in truth.grads.items()}
    floor = _FLOOR * norm(np.array(list(norms.values()))) / len(norms) ** 0.5
    return {name: max(of_gradient, floor) for name, of_gradient in norms.items()}


def first_deviating_boundary(tapped: Tapped, truth: DefinedStep) -> tuple[str, str, float] | None:
    """Node, direction and error of the first value or cotangent that deviates: forward, then backward from the end."""
    nodes = list(tapped.values)
    for direction, tensors, expected, order in (
        ("forward", tapped.values, truth.values, nodes),
        ("backward", tapped.cotangents, truth.cotangents, nodes[::-1]),
    ):
        for name in order:
            error = relative(norm(tensors[name] - expected[name]), norm(expected[name]))
            if not error <= LIMIT_F64:
                return name, direction, error
    return None


def find_barrier(side: SideUnderTest, truth: DefinedStep) -> tuple[str, int] | None:
    """The boundary where one optimization barrier removes the error of the f64 step, and how many programs that took.

    None: no single one does. Halves come first: where all barriers together do not remove it, no other set is tried.
    """
    tried = 0

    def removes(barriers: Sequence[str]) -> bool:
        nonlocal tried
        tried += 1
        program = side.programs["f64"].with_barriers(frozenset(barriers))
        return worst_deviation(run_plain(side, program, "f64", truth.t)[-1], truth).error <= LIMIT_F64

    suspects = [node.name for node in side.experiment.graph.nodes]
    if not removes(suspects):
        return None
    while len(suspects) > 1:
        half = suspects[: len(suspects) // 2]
        if removes(half):
            suspects = half
        elif removes(suspects[len(half) :]):
            suspects = suspects[len(half) :]
        else:
            return None
    return suspects[0], tried
