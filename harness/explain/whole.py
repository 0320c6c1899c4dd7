"""Whole training steps of a party, looked into, and the fence that heals one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.explain.definition import DefinedStep, Definition
from harness.explain.party import Party
from harness.explain.piece import LIMIT_F64, norm, relative
from harness.run.inprocess import Batch, Side, Step, Tapped
from harness.spec.netspec import DType

_FLOOR = 1e-3  # of the mean gradient: one that is zero but for rounding is no evidence


@dataclass(frozen=True)
class Off:
    """How far a tensor of a step is from the definition's."""

    tensor: str
    error: float


def fed(party: Party, dtype: DType, step: int) -> tuple[list[Batch], list[np.float32]]:
    """Batches and rates of the steps up to that one, in the dtype."""
    kind = party.sides[dtype].kind
    batches = [Batch(batch.x.astype(kind), batch.labels) for batch in party.batches[:step]]
    return batches, [np.float32(rate) for rate in party.rates[:step]]


def run_plain(party: Party, side: Side, dtype: DType, step: int) -> list[Step]:
    """The steps up to that one as they run in training."""
    return side.train(*fed(party, dtype, step))


def run_tapped(party: Party, dtype: DType, step: int) -> Tapped:
    """The step with every value and cotangent between layers."""
    return party.sides[dtype].tapped(*fed(party, dtype, step))


def worst_of(found: Step, truth: DefinedStep) -> Off:
    """The loss or the gradient that is furthest off."""
    return max(_all_off(found, truth), key=lambda off: off.error)


def worst_move(found: Step, definition: Definition, truth: DefinedStep) -> Off:
    """The parameter whose first move is furthest from what the definition makes of the side's own gradients."""
    moved, _ = definition.update(truth.params, truth.slots, found.grads, truth.rate, truth.t)
    offs = []
    for name, before in truth.params.items():
        scale = norm(moved[name] - before) + 1e-6 * norm(before)
        offs.append(Off(f"update of {name}", relative(norm(found.params[name] - moved[name]), scale)))
    return max(offs, key=lambda off: off.error)


def _all_off(found: Step, truth: DefinedStep) -> Iterator[Off]:
    of_loss, *of_grads = scales(truth)
    yield Off("loss", relative(abs(found.loss - truth.loss), of_loss))
    for (name, right), scale in zip(truth.grads.items(), of_grads, strict=True):
        yield Off(f"gradient of {name}", relative(norm(found.grads[name] - right), scale))


def scales(truth: DefinedStep) -> list[float]:
    """Of errors of the loss and of every gradient, which all have the same floor."""
    norms = [norm(g) for g in truth.grads.values()]
    floor = _FLOOR * norm(np.array(norms)) / len(norms) ** 0.5
    return [abs(truth.loss), *(max(own, floor) for own in norms)]


def first_off(found: Tapped, truth: DefinedStep) -> tuple[str, str, float] | None:
    """Node, direction and error of the first boundary that is off: forward, then backward from the end."""
    nodes = list(found.values)
    for direction, mine, right, order in (
        ("forward", found.values, truth.values, nodes),
        ("backward", found.cotangents, truth.cotangents, nodes[::-1]),
    ):
        for name in order:
            error = relative(norm(mine[name] - right[name]), norm(right[name]))
            if not error <= LIMIT_F64:
                return name, direction, error
    return None


def healing_fence(party: Party, truth: DefinedStep) -> tuple[str, int] | None:
    """The one boundary whose fence puts the f64 step right, and how many programs it took to find; None: none does.

    Halves are fenced first: where all fences together do not heal, no single one is tried.
    """
    tried = 0

    def heals(fences: Sequence[str]) -> bool:
        nonlocal tried
        tried += 1
        side = party.sides["f64"].fenced(frozenset(fences))
        return worst_of(run_plain(party, side, "f64", truth.t)[-1], truth).error <= LIMIT_F64

    suspects = [node.name for node in party.meant.graph.nodes]
    if not heals(suspects):
        return None
    while len(suspects) > 1:
        half = suspects[: len(suspects) // 2]
        if heals(half):
            suspects = half
        elif heals(suspects[len(half) :]):
            suspects = suspects[len(half) :]
        else:
            return None
    return suspects[0], tried
