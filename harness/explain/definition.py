"""The definition as a program: reference rules in f64 by numpy, one operation at a time; whole steps made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from harness.explain.alone import Alone, names_in, own, to_inner
from harness.explain.part import Part
from harness.run.inprocess import Array, Batch, Tensors
from harness.spec.netspec import TrainConfig
from harness.spec.reference import Reference
from harness.spec.rules import Rules
from harness.spec.shapes import Graph


class Definition(Alone):
    """What every piece of a network ought to give; no compiler has a part in it."""

    def __init__(self, graph: Graph, config: TrainConfig, rules: Rules) -> None:
        super().__init__(graph, config, "f64")
        self._rules = rules

    def forward(self, part: Part, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """By the layer's reference rule."""
        return np.asarray(self._rule(part, t)(params, *xs))

    def backward(self, part: Part, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """By the derivative of the reference rule."""
        vjp, _ = autograd.make_vjp(self._rule(part, t), argnum=tuple(range(1 + len(xs))))(params, *xs)
        dparams, *dxs = vjp(dy)
        return [*dxs, *(dparams[name] for name in part.params)]

    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """By the reference rule of the loss."""
        loss, smoothing = self.graph.spec.loss, self.config.label_smoothing
        rule = self._rules.reference_loss.of(type(loss))
        value, dlogits = autograd.value_and_grad(lambda z: rule(loss, anp, z, labels, smoothing))(logits)
        return np.asarray(value), dlogits

    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """p - rate direction - rate wd p, the last for what decays. Source: specs/README.md, Weight decay."""
        optimizer, wd = self.config.optimizer, float(np.float32(self.config.weight_decay))
        rule = self._rules.reference_optimizer.of(type(optimizer))
        moved: Tensors = {}
        kept: Tensors = {}
        for param in (param for param in self.graph.params if param.name in params):
            p, names = params[param.name], [f"{param.name}.{slot}" for slot in optimizer.slots]
            direction, *new = rule(optimizer, np, grads[param.name], *(slots[name] for name in names), t)
            moved[param.name] = p - rate * direction - (rate * wd * p if param.decays else 0.0)
            kept |= dict(zip(names, new, strict=True))
        return moved, kept

    def step(self, batch: Batch, params: Tensors, slots: Tensors, rate: float, t: int) -> "DefinedStep":
        """A whole training step, and every value at a boundary between layers."""
        values: Tensors = {"x": to_inner(batch.x.astype(np.float64))}
        cotangents: Tensors = {}
        grads: Tensors = {}
        for node in self.graph.nodes:
            part = self.parts[node.name]
            values[node.name] = self.forward(part, own(node.scope, part, params), [values[x] for x in node.inputs], t)
        loss, cotangents[self.graph.output] = self.loss(values[self.graph.output], batch.labels)
        for node in reversed(self.graph.nodes):
            part, xs = self.parts[node.name], [values[x] for x in node.inputs]
            found = self.backward(part, own(node.scope, part, params), xs, cotangents[node.name], t)
            for name, dx in zip(node.inputs, found, strict=False):
                cotangents[name] = cotangents[name] + dx if name in cotangents else dx
            grads |= dict(zip(names_in(node.scope, part), found[len(xs) :], strict=True))
        moved, kept = self.update(params, slots, grads, rate, t)
        return DefinedStep(t, rate, batch, float(loss), values, cotangents, params, slots, grads, moved, kept)

    def steps(self, batches: Sequence[Batch], rates: Sequence[float], params: Tensors) -> list["DefinedStep"]:
        """One step a batch, from slots of zero."""
        slots = {
            f"{name}.{slot}": np.zeros_like(p) for slot in self.config.optimizer.slots for name, p in params.items()
        }
        done: list[DefinedStep] = []
        for t, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
            done.append(self.step(batch, params, slots, rate, t))
            params, slots = done[-1].moved, done[-1].kept
        return done

    def _rule(self, part: Part, t: int) -> Callable[..., Any]:
        rule = self._rules.reference.of(type(part.layer))
        return lambda params, *xs: rule(part.layer, Reference(anp, part.node, params, t), *xs)


@dataclass(frozen=True)
class DefinedStep:
    """One step by the definition, in f64.

    `values`: what each node gives, and `x`; `cotangents`: the loss's gradient by each of them. `params`, `slots`:
    before the update; `moved`, `kept`: after it.
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
    moved: Tensors
    kept: Tensors
