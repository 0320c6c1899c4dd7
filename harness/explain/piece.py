"""A piece of a training step with its inputs, and how far a side may be off with them.

The scale of an error is that of the result, or by how much the result moves when every input moves by its own size: the
latter counts where a result is a small difference of large numbers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from harness.explain.alone import Alone, names_in, own
from harness.explain.definition import DefinedStep, Definition
from harness.explain.part import Part
from harness.run.inprocess import Array, Tensors
from harness.spec.netspec import DType

Kind = Literal["forward", "backward", "loss", "update"]
# In f64 as for every comparison in f64; in f32 so many units of rounding, times the root of the longest possible sum.
LIMIT_F64 = 1e-9
ROUNDINGS_F32 = 8.0
_NUDGE = 2.0**-40  # small enough to turn no comparison, large enough not to drown in rounding
_UPDATES = 3

Direction = Literal["forward", "backward", "optimizer"]


@dataclass(frozen=True)
class Piece:
    """`layer`, `direction`: where it belongs; `part`: the layer, where the piece is one. `t`: the step, from 1.

    `inputs`: as a program takes them (`layer.w`, `x1`, `dy`; `logits`, `labels`; `dense1.w`, `dense1.w.m`,
    `dense1.w.grad`, `lr`), in f64. `results`: their names in the network.
    """

    layer: str
    direction: Direction | Literal[""]
    kind: Kind
    part: Part | None
    t: int
    inputs: Tensors
    results: tuple[str, ...]

    def run(self, of: Alone, inputs: Tensors) -> list[Array]:
        """The results, in order, of some inputs."""
        if self.kind == "loss":
            return list(of.loss(inputs["logits"], inputs["labels"]))
        if self.kind == "update":
            return self._update(of, inputs)
        assert self.part is not None
        params = {name: inputs[name] for name in self.part.params}
        xs = [inputs[name] for name in self.part.node.inputs]
        if self.kind == "forward":
            return [of.forward(self.part, params, xs, self.t)]
        return of.backward(self.part, params, xs, inputs["dy"], self.t)

    def _update(self, of: Alone, inputs: Tensors) -> list[Array]:
        slots = of.config.optimizer.slots
        params = {name: inputs[name] for name in self.params}
        kept = {f"{name}.{slot}": inputs[f"{name}.{slot}"] for slot in slots for name in params}
        grads = {name: inputs[f"{name}.grad"] for name in params}
        moved, kept = of.update(params, kept, grads, float(inputs["lr"]), self.t)
        return [(moved | kept)[name] for name in self.results]

    @property
    def params(self) -> list[str]:
        """The parameters that an update moves, or a layer has, as the inputs call them."""
        if self.kind == "update":
            return [name.removesuffix(".grad") for name in self.inputs if name.endswith(".grad")]
        return list(self.part.params) if self.part is not None else []


class Measured:
    """A piece in a dtype: what it is fed, what is right, and the scale of an error of each result."""

    def __init__(self, piece: Piece, definition: Definition, dtype: DType) -> None:
        self.piece, self.dtype, self._definition = piece, dtype, definition
        self.fed = {name: _as(dtype, x) for name, x in piece.inputs.items()}
        self._exact = {name: _as("f64", x) for name, x in self.fed.items()}
        self.right = piece.run(definition, self._exact)

    @cached_property
    def scales(self) -> list[float]:
        """Of each result."""
        if self.piece.kind == "update":
            return [self._update_scale(name, right) for name, right in zip(self.piece.results, self.right, strict=True)]
        moved = self.piece.run(self._definition, {name: _nudged(x) for name, x in self._exact.items()})
        return [norm(x) + norm(y - x) / _NUDGE for x, y in zip(self.right, moved, strict=True)]

    def _update_scale(self, name: str, right: Array) -> float:
        """The move; in f32 also what moves, since the sum of both is rounded, and by how much rounding is magnified."""
        before, move = norm(self._exact[name]), norm(right - self._exact[name])
        if self.dtype == "f64":
            return move + 1e-6 * before
        info, magnified = np.finfo(np.float32), name in self.piece.params
        magnification = self._definition.config.optimizer.magnification if magnified else 1.0
        return before + magnification * move + float(info.tiny / info.eps) * math.sqrt(right.size)

    @property
    def allowed(self) -> float:
        """The largest error of a right side, in units of the scale."""
        if self.dtype == "f64":
            return LIMIT_F64
        longest = 1.0
        if self.piece.kind != "update":
            longest = max(x.size / (x.shape[-1] if x.ndim else 1) for x in (*self.fed.values(), *self.right))
        return ROUNDINGS_F32 * float(np.finfo(np.float32).eps) * math.sqrt(max(longest, 1.0))

    def errors(self, side: Alone) -> list[float]:
        """Of each result of a side, in units of the scale."""
        found = self.piece.run(side, self.fed)
        return [
            relative(norm(mine.astype(np.float64) - right), scale)
            for mine, right, scale in zip(found, self.right, self.scales, strict=True)
        ]


def pieces(definition: Definition, step: DefinedStep) -> Iterator[Piece]:
    """Every piece of a step, fed what the definition computed: forward, loss, backward from the end, then updates."""
    graph, scalar_t = definition.graph, np.array(float(step.t))
    layers = []
    for node in graph.nodes:
        part = definition.parts[node.name]
        inputs = own(node.scope, part, step.params) | {
            name: step.values[x] for name, x in zip(part.node.inputs, node.inputs, strict=True)
        }
        layers.append((node, part, inputs | {"t": scalar_t}))
    for node, part, inputs in layers:
        yield Piece(node.name, "forward", "forward", part, step.t, inputs, (node.name,))
    logits = {"logits": step.values[graph.output], "labels": step.batch.labels}
    yield Piece("loss", "", "loss", None, step.t, logits, ("loss", graph.output))
    for node, part, inputs in reversed(layers):
        results = (*node.inputs, *names_in(node.scope, part))
        fed = inputs | {"dy": step.cotangents[node.name]}
        yield Piece(node.name, "backward", "backward", part, step.t, fed, results)
    yield from _updates(definition, step)


def _updates(definition: Definition, step: DefinedStep) -> Iterator[Piece]:
    """Three updates, the gradients of the later ones changed at random; each from the definition's slots.

    A single one from slots of zero would not show how the old slots count.
    """
    rng = np.random.default_rng(0)
    params, slots, grads = step.params, step.slots, step.grads
    for t in range(step.t, step.t + _UPDATES):
        fed = params | slots | {f"{name}.grad": g for name, g in grads.items()}
        fed |= {"lr": np.array(step.rate), "t": np.array(float(t))}
        yield Piece("optimizer", "optimizer", "update", None, t, fed, (*params, *slots))
        params, slots = definition.update(params, slots, grads, step.rate, t)
        grads = {name: g * rng.uniform(-1.5, 1.5, g.shape) for name, g in grads.items()}


def _nudged(x: Array) -> Array:
    """Every number moved by a little of itself, another part for each, but in order: equals stay equal, zeros zero.

    So no maximum moves and no unit flips, which would count as an infinitely steep result.
    """
    if x.dtype.kind != "f" or not x.size:
        return x
    size = float(np.sqrt(np.mean(x * x))) or 1.0
    return np.asarray(x * (1 + _NUDGE * np.sin(7 * x / size)))


def _as(dtype: DType, x: Array) -> Array:
    return x.astype(np.float32 if dtype == "f32" else np.float64) if x.dtype.kind == "f" else x


def norm(x: Array) -> float:
    """Euclidean norm of a whole tensor, also where squares would overflow."""
    flat = np.asarray(x, np.float64).ravel()
    largest = float(np.abs(flat).max(initial=0.0))
    return largest * float(np.linalg.norm(flat / largest)) if 0 < largest < math.inf else largest


def relative(error: float, scale: float) -> float:
    """The error in units of the scale; 0 of 0 is no error, and what is not a number is greater than any limit."""
    if error == 0:
        return 0.0
    return error / scale if scale > 0 and math.isfinite(error) else math.inf
