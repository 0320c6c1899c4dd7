"""The pieces of a training step as isolated tests: inputs, expected results, and the error that a side may have.

The scale of an error is the norm of the result, or the change of the result when every input changes by its own size:
the latter counts where a result is a small difference of large numbers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from harness.explain.locate.definition import DefinedStep, Definition
from harness.explain.locate.isolated import IsolatedLayer, IsolatedPieces, full_names, layer_parameters
from harness.run.inprocess import Array, Tensors
from harness.spec.netspec import DType

Kind = Literal["forward", "backward", "loss", "update"]
# In f64 as for every comparison in f64; in f32 so many units of rounding, times the root of the longest possible sum.
LIMIT_F64 = 1e-9
ROUNDINGS_F32 = 8.0
_PERTURBATION = 2.0**-40  # small enough to change the order of no two numbers, large enough to exceed rounding
_UPDATES = 3

Direction = Literal["forward", "backward", "optimizer"]


@dataclass(frozen=True)
class IsolatedTest:
    """A piece of a training step with its inputs.

    `layer`, `direction`: where it belongs; `isolated`: the layer, where the piece is one. `t`: the step, from 1.
    `inputs`: as a program takes them, in f64: `layer.w`, `x1`, `dy`; `logits`, `labels`; `dense1.w`, `dense1.w.m`,
    `dense1.w.grad`, `lr`. `results`: their names in the network.

    Shapes: images (B, H, W, C), otherwise as in the network.
    """

    layer: str
    direction: Direction | Literal[""]
    kind: Kind
    isolated: IsolatedLayer | None
    t: int
    inputs: Tensors
    results: tuple[str, ...]

    def run(self, pieces: IsolatedPieces, inputs: Tensors) -> list[Array]:
        """The results, in order, that an implementation gives for some inputs."""
        if self.kind == "loss":
            return list(pieces.loss(inputs["logits"], inputs["labels"]))
        if self.kind == "update":
            return self._update(pieces, inputs)
        assert self.isolated is not None
        params = {name: inputs[name] for name in self.isolated.params}
        xs = [inputs[name] for name in self.isolated.node.inputs]
        if self.kind == "forward":
            return [pieces.forward(self.isolated, params, xs, self.t)]
        return pieces.backward(self.isolated, params, xs, inputs["dy"], self.t)

    def _update(self, pieces: IsolatedPieces, inputs: Tensors) -> list[Array]:
        slot_names = pieces.config.optimizer.slots
        params = {name: inputs[name] for name in self.params}
        slots = {f"{name}.{slot}": inputs[f"{name}.{slot}"] for slot in slot_names for name in params}
        grads = {name: inputs[f"{name}.grad"] for name in params}
        new_params, new_slots = pieces.update(params, slots, grads, float(inputs["lr"]), self.t)
        return [(new_params | new_slots)[name] for name in self.results]

    @property
    def params(self) -> list[str]:
        """The parameters that an update changes, or that a layer has, under the names of the inputs."""
        if self.kind == "update":
            return [name.removesuffix(".grad") for name in self.inputs if name.endswith(".grad")]
        return list(self.isolated.params) if self.isolated is not None else []


class Expectation:
    """A test in a dtype: the inputs, the expected results, and the scale of the error of each result.

    Shapes: of the inputs and results of the test.
    """

    def __init__(self, test: IsolatedTest, definition: Definition, dtype: DType) -> None:
        self.test, self.dtype, self._definition = test, dtype, definition
        self.inputs = {name: _as(dtype, x) for name, x in test.inputs.items()}
        self._exact = {name: _as("f64", x) for name, x in self.inputs.items()}
        self.expected = test.run(definition, self._exact)

    @cached_property
    def scales(self) -> list[float]:
        """The scale of the error of each result."""
        if self.test.kind == "update":
            return [self._update_scale(name, x) for name, x in zip(self.test.results, self.expected, strict=True)]
        perturbed = self.test.run(self._definition, {name: _perturbed(x) for name, x in self._exact.items()})
        return [norm(x) + norm(y - x) / _PERTURBATION for x, y in zip(self.expected, perturbed, strict=True)]

    def _update_scale(self, name: str, expected: Array) -> float:
        """The norm of the change; in f32 also of what changes, since their sum is rounded, and magnified rounding."""
        before, change = norm(self._exact[name]), norm(expected - self._exact[name])
        if self.dtype == "f64":
            return change + 1e-6 * before
        info, magnified = np.finfo(np.float32), name in self.test.params
        magnification = self._definition.config.optimizer.magnification if magnified else 1.0
        return before + magnification * change + float(info.tiny / info.eps) * math.sqrt(expected.size)

    @property
    def allowed(self) -> float:
        """The largest error that a correct side has, in units of the scale."""
        if self.dtype == "f64":
            return LIMIT_F64
        longest = 1.0
        if self.test.kind != "update":
            longest = max(x.size / (x.shape[-1] if x.ndim else 1) for x in (*self.inputs.values(), *self.expected))
        return ROUNDINGS_F32 * float(np.finfo(np.float32).eps) * math.sqrt(max(longest, 1.0))

    def errors(self, pieces: IsolatedPieces) -> list[float]:
        """The error of each result of an implementation, in units of the scale."""
        results = self.test.run(pieces, self.inputs)
        return [
            relative(norm(result.astype(np.float64) - expected), scale)
            for result, expected, scale in zip(results, self.expected, self.scales, strict=True)
        ]


def isolated_tests(definition: Definition, step: DefinedStep) -> Iterator[IsolatedTest]:
    """A test of every piece with inputs that the definition computed: forward, loss, backward from the end, updates."""
    graph, scalar_t = definition.graph, np.array(float(step.t))
    layers = []
    for node in graph.nodes:
        isolated = definition.layers[node.name]
        inputs = layer_parameters(node.scope, isolated, step.params) | {
            name: step.values[x] for name, x in zip(isolated.node.inputs, node.inputs, strict=True)
        }
        layers.append((node, isolated, inputs | {"t": scalar_t}))
    for node, isolated, inputs in layers:
        yield IsolatedTest(node.name, "forward", "forward", isolated, step.t, inputs, (node.name,))
    logits = {"logits": step.values[graph.output], "labels": step.batch.labels}
    yield IsolatedTest("loss", "", "loss", None, step.t, logits, ("loss", graph.output))
    for node, isolated, inputs in reversed(layers):
        results = (*node.inputs, *full_names(node.scope, isolated))
        with_cotangent = {**inputs, "dy": step.cotangents[node.name]}
        yield IsolatedTest(node.name, "backward", "backward", isolated, step.t, with_cotangent, results)
    yield from _updates(definition, step)


def _updates(definition: Definition, step: DefinedStep) -> Iterator[IsolatedTest]:
    """Three updates, the gradients of the later ones scaled at random; each from the definition's slots.

    A single one from slots of zero would not show how the old slots count.
    """
    rng = np.random.default_rng(0)
    params, slots, grads = step.params, step.slots, step.grads
    for t in range(step.t, step.t + _UPDATES):
        inputs = params | slots | {f"{name}.grad": g for name, g in grads.items()}
        inputs |= {"lr": np.array(step.rate), "t": np.array(float(t))}
        yield IsolatedTest("optimizer", "optimizer", "update", None, t, inputs, (*params, *slots))
        params, slots = definition.update(params, slots, grads, step.rate, t)
        grads = {name: g * rng.uniform(-1.5, 1.5, g.shape) for name, g in grads.items()}


def _perturbed(x: Array) -> Array:
    """Every number changed by a small part of itself, another part for each, but in order: equals stay equal.

    Zeros stay zero. So no other number becomes a maximum and no unit switches, which would count as an infinite slope.
    """
    if x.dtype.kind != "f" or not x.size:
        return x
    size = float(np.sqrt(np.mean(x * x))) or 1.0
    return np.asarray(x * (1 + _PERTURBATION * np.sin(7 * x / size)))


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
