"""Every piece of a training step alone, fed what the definition computed, against the definition.

A piece that is off is off by itself: its inputs are right. How far a right one may be off follows from its inputs: the
scale of an error is that of the result, or by how much the result moves when every input moves by its own size, at
random; the latter counts where a result is a small difference of large numbers.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.explain.alone import Alone, names_in, own
from harness.explain.definition import DefinedStep, Definition
from harness.sides import Array, Tensors
from harness.spec import DType

# In f64 the figure; in f32 so many units of rounding for each root of the numbers that a result is summed from.
LIMIT_F64 = 1e-9
ROUNDINGS_F32 = 8.0
_NUDGE = 2.0**-40  # small enough to turn no comparison, large enough not to drown in rounding
_UPDATES = 3


@dataclass(frozen=True)
class Finding:
    """A piece that is off. `error`: of `tensor`, relative to its scale, where `allowed` would do.

    `direction`: forward, backward or optimizer. `layer`: the node's name, `loss` or `optimizer`.
    """

    layer: str
    direction: str
    side: str
    tensor: str
    error: float
    allowed: float
    dtype: DType


@dataclass(frozen=True)
class _Trial:
    """A piece with its inputs: `run` gives its named results from an executor and inputs."""

    layer: str
    direction: str
    names: Sequence[str]
    inputs: Sequence[Array]
    run: Callable[[Alone, Sequence[Array]], Sequence[Array]]


def test_locally(definition: Definition, step: DefinedStep, sides: Sequence[tuple[str, Alone]]) -> Iterator[Finding]:
    """What is off on the sides, first things first: forward, loss, backward from the end, then the updates."""
    for trial in _trials(definition, step):
        yield from _tried(definition, trial, sides)
    yield from _updates(definition, step, sides)


def _trials(definition: Definition, step: DefinedStep) -> Iterator[_Trial]:
    graph = definition.graph
    pieces = []
    for node in graph.nodes:
        part = definition.parts[node.name]
        tensors = list(own(node.scope, part, step.params).values())
        pieces.append((node, part, tensors, [step.values[x] for x in node.inputs]))

    for node, part, tensors, xs in pieces:

        def forward(of: Alone, fed: Sequence[Array], part=part) -> list[Array]:  # type: ignore[no-untyped-def]
            n = len(part.params)
            return [of.forward(part, dict(zip(part.params, fed, strict=False)), fed[n:], step.t)]

        yield _Trial(node.name, "forward", [node.name], [*tensors, *xs], forward)

    logits, labels = step.values[graph.output], step.batch.labels
    yield _Trial("loss", "forward", ["loss"], [logits], lambda of, fed: [of.loss(fed[0], labels)[0]])
    yield _Trial("loss", "backward", [graph.output], [logits], lambda of, fed: [of.loss(fed[0], labels)[1]])

    for node, part, tensors, xs in reversed(pieces):

        def backward(of: Alone, fed: Sequence[Array], part=part) -> list[Array]:  # type: ignore[no-untyped-def]
            n = len(part.params)
            params = dict(zip(part.params, fed, strict=False))
            return of.backward(part, params, fed[n:-1], fed[-1], step.t)

        names = [*node.inputs, *names_in(node.scope, part)]
        yield _Trial(node.name, "backward", names, [*tensors, *xs, step.cotangents[node.name]], backward)


def _tried(definition: Definition, trial: _Trial, sides: Sequence[tuple[str, Alone]]) -> Iterator[Finding]:
    dtype, kind = sides[0][1].dtype, sides[0][1].kind
    fed = [x.astype(kind) for x in trial.inputs]
    exact = [x.astype(np.float64) for x in fed]
    wanted = trial.run(definition, exact)
    moved = trial.run(definition, _nudged(exact))
    for name, side in sides:
        found = trial.run(side, fed)
        for tensor, mine, right, other in zip(trial.names, found, wanted, moved, strict=True):
            scale = norm(right) + norm(other - right) / _NUDGE
            allowed = LIMIT_F64 if dtype == "f64" else _f32_allowance([*fed, right])
            error = relative(norm(mine.astype(np.float64) - right), scale)
            if not error <= allowed:
                yield Finding(trial.layer, trial.direction, name, tensor, error, allowed, dtype)


def _updates(definition: Definition, step: DefinedStep, sides: Sequence[tuple[str, Alone]]) -> Iterator[Finding]:
    """Three updates, the gradients of the later ones changed at random; each from the definition's slots.

    A single one from slots of zero would not show how the old slots count.
    """
    dtype, kind = sides[0][1].dtype, sides[0][1].kind
    magnification = definition.config.optimizer.magnification
    rng = np.random.default_rng(0)

    def rounded(tensors: Tensors) -> tuple[Tensors, Tensors]:
        fed = {name: x.astype(kind) for name, x in tensors.items()}
        return fed, {name: x.astype(np.float64) for name, x in fed.items()}

    params, slots, grads = step.params, step.slots, step.grads
    for t in range(step.t, step.t + _UPDATES):
        (fed, params), (fed_slots, slots), (fed_grads, exact_grads) = map(rounded, (params, slots, grads))
        moved, kept = definition.update(params, slots, exact_grads, step.rate, t)
        for name, side in sides:
            found, found_slots = side.update(fed, fed_slots, fed_grads, step.rate, t)
            for tensor, right in (moved | kept).items():
                mine = (found if tensor in moved else found_slots)[tensor].astype(np.float64)
                before = params[tensor] if tensor in moved else slots[tensor]
                scale, allowed = norm(right - before) + 1e-6 * norm(before), LIMIT_F64
                if dtype == "f32":
                    scale = norm(before) + (magnification if tensor in moved else 1.0) * norm(right - before)
                    scale += float(np.finfo(kind).tiny / np.finfo(kind).eps) * math.sqrt(right.size)
                    allowed = ROUNDINGS_F32 * float(np.finfo(kind).eps)
                error = relative(norm(mine - right), scale)
                if not error <= allowed:
                    yield Finding("optimizer", "optimizer", name, tensor, error, allowed, dtype)
        params, slots = moved, kept
        grads = {name: g * rng.uniform(-1.5, 1.5, g.shape) for name, g in grads.items()}


def _f32_allowance(tensors: Sequence[Array]) -> float:
    longest = max(x.size // (x.shape[-1] if x.ndim else 1) for x in tensors)
    return ROUNDINGS_F32 * float(np.finfo(np.float32).eps) * math.sqrt(max(longest, 1))


def _nudged(tensors: Sequence[Array]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [x * (1 + _NUDGE * rng.uniform(-1, 1, x.shape)) for x in tensors]


def norm(x: Array) -> float:
    """Euclidean norm of a whole tensor."""
    return float(np.linalg.norm(np.asarray(x, np.float64).ravel()))


def relative(error: float, scale: float) -> float:
    """The error in units of the scale; 0 of 0 is no error, and what is not a number is greater than any limit."""
    if error == 0:
        return 0.0
    return error / scale if scale > 0 and math.isfinite(error) else math.inf
