"""The definition as a program: reference rules in f64 by numpy, the steps made of them, and the learning rate."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from harness.explain.locate.isolated import (
    IsolatedLayer,
    IsolatedPieces,
    full_names,
    layer_parameters,
    to_channels_last,
)
from harness.run.inprocess import Array, Batch, Tensors
from harness.spec.netspec import TrainConfig
from harness.spec.reference import Reference
from harness.spec.rules import Rules
from harness.spec.shapes import Graph


class Definition(IsolatedPieces):
    """The expected results of every piece of a network, in f64 by numpy; no compiler has a part in it."""

    def __init__(self, graph: Graph, config: TrainConfig, rules: Rules) -> None:
        super().__init__(graph, config, "f64")
        self._rules = rules

    def forward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """The layer's reference rule."""
        return np.asarray(self._rule(layer, t)(params, *xs))

    def backward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """The derivative of the reference rule."""
        vjp, _ = autograd.make_vjp(self._rule(layer, t), argnum=tuple(range(1 + len(xs))))(params, *xs)
        dparams, *dxs = vjp(dy)
        return [*dxs, *(dparams[name] for name in layer.params)]

    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The reference rule of the loss, and its derivative."""
        loss, smoothing = self.graph.spec.loss, self.config.label_smoothing
        rule = self._rules.reference_loss.of(type(loss))
        value, dlogits = autograd.value_and_grad(lambda z: rule(loss, anp, z, labels, smoothing))(logits)
        return np.asarray(value), dlogits

    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """p - rate direction - rate wd p, the last for what decays. Source: specs/README.md, Weight decay."""
        optimizer, wd = self.config.optimizer, float(np.float32(self.config.weight_decay))
        rule = self._rules.reference_optimizer.of(type(optimizer))
        new_params: Tensors = {}
        new_slots: Tensors = {}
        for param in (param for param in self.graph.params if param.name in params):
            p, names = params[param.name], [f"{param.name}.{slot}" for slot in optimizer.slots]
            direction, *new = rule(optimizer, np, grads[param.name], *(slots[name] for name in names), t)
            new_params[param.name] = p - rate * direction - (rate * wd * p if param.decays else 0.0)
            new_slots |= dict(zip(names, new, strict=True))
        return new_params, new_slots

    def step(self, batch: Batch, params: Tensors, slots: Tensors, rate: float, t: int) -> "DefinedStep":
        """A whole training step, and every value at a boundary between layers."""
        values: Tensors = {"x": to_channels_last(batch.x.astype(np.float64))}
        cotangents: Tensors = {}
        grads: Tensors = {}
        for node in self.graph.nodes:
            layer = self.layers[node.name]
            own, xs = layer_parameters(node.scope, layer, params), [values[x] for x in node.inputs]
            values[node.name] = self.forward(layer, own, xs, t)
        loss, cotangents[self.graph.output] = self.loss(values[self.graph.output], batch.labels)
        for node in reversed(self.graph.nodes):
            layer, xs = self.layers[node.name], [values[x] for x in node.inputs]
            results = self.backward(layer, layer_parameters(node.scope, layer, params), xs, cotangents[node.name], t)
            for name, dx in zip(node.inputs, results, strict=False):
                cotangents[name] = cotangents[name] + dx if name in cotangents else dx
            grads |= dict(zip(full_names(node.scope, layer), results[len(xs) :], strict=True))
        new_params, new_slots = self.update(params, slots, grads, rate, t)
        return DefinedStep(t, rate, batch, float(loss), values, cotangents, params, slots, grads, new_params, new_slots)

    def steps(self, batches: Sequence[Batch], rates: Sequence[float], params: Tensors) -> list["DefinedStep"]:
        """One step per batch, from slots of zero."""
        slots = {
            f"{name}.{slot}": np.zeros_like(p) for slot in self.config.optimizer.slots for name, p in params.items()
        }
        done: list[DefinedStep] = []
        for t, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
            done.append(self.step(batch, params, slots, rate, t))
            params, slots = done[-1].new_params, done[-1].new_slots
        return done

    def _rule(self, layer: IsolatedLayer, t: int) -> Callable[..., Any]:
        rule = self._rules.reference.of(type(layer.layer))
        return lambda params, *xs: rule(layer.layer, Reference(anp, layer.node, params, t, _erf), *xs)


@dataclass(frozen=True)
class DefinedStep:
    """One step by the definition, in f64.

    `values`: the output of each node, and `x`; `cotangents`: the gradient of the loss w.r.t. each output. `params`,
    `slots`: before the update; `new_params`, `new_slots`: after it. Shapes: images (B, H, W, C).
    """

    t: int
    rate: float
    batch: Batch
    loss: float
    values: Tensors
    cotangents: Tensors
    params: Tensors
    slots: Tensors
    grads: Tensors
    new_params: Tensors
    new_slots: Tensors


def _erf(x: Any) -> Any:
    """The error function, imported when a layer asks for it: the package loads all of scipy's statistics."""
    from autograd.scipy.special import erf

    return erf(x)


def defined_rate(config: TrainConfig, t: int, steps_per_epoch: int) -> np.float32:
    """The learning rate of step t, from 1, which judges both sides' own. Source: specs/README.md, Learning rate."""
    steps = 1 if config.schedule == "epoch" else steps_per_epoch
    now = (t - 1) // steps_per_epoch if config.schedule == "epoch" else t - 1
    warmup, end = config.warmup_epochs * steps, config.epochs * steps
    if now < warmup:
        return np.float32(config.lr * (now + 1) / warmup)
    if not config.cosine:
        return np.float32(config.lr)
    return np.float32(config.lr * (1 + math.cos(math.pi * (now - warmup) / (end - warmup))) / 2)
