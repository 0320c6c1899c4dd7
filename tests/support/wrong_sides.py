"""Sides of small networks: correct ones, and ones that are emitted by a wrong rule."""

import dataclasses
from collections.abc import Callable
from typing import Any

from harness.emit.jax_builder import Expr
from harness.explain.locate.experiment import Experiment
from harness.explain.locate.side_under_test import SideUnderTest
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.spec.rules import Rule, Rules
from harness.spec.shapes import infer_shapes
from tests.support.every_layer import GRAPHS, RULES
from tests.support.networks import config, network
from tests.support.programs import drawn

TRAIN = config(weight_decay=0.1)
SMALL = network((1, 4, 4), Conv2d(1, 2, 3), Relu(), MaxPool(2, 2), Flatten(), Dense(8, 4))
NETWORKS = GRAPHS | {"small": infer_shapes(SMALL)}


def experiment(name: str) -> Experiment:
    batches, steps_per_epoch = drawn(NETWORKS[name], TRAIN, "f32")
    return Experiment(NETWORKS[name], TRAIN, batches, steps_per_epoch)


def pair(name: str, **phase3: Any) -> tuple[SideUnderTest, SideUnderTest]:
    """Both sides; the second may have another feed or other conventions."""
    return SideUnderTest("phase2", experiment(name)), SideUnderTest("phase3", experiment(name), **phase3)


def mutated(table: str, facts: type, change: Callable[[Rule], Rule]) -> Rules:
    """Rules of which one is changed."""
    return RULES.replace(**{table: {facts: change(getattr(RULES, table).of(facts))}})


def jax_scaled(rule: Rule) -> Rule:
    return lambda layer, j, *x: j.mul(1.0001, rule(layer, j, *x))


def hlo_scaled(rule: Rule) -> Rule:
    def scaled(layer: Any, h: Any, *x: Any) -> Any:
        y, saved = rule(layer, h, *x)
        return h.mul(y, 1.0001), saved

    return scaled


def gradient_scaled(rule: Rule) -> Rule:
    return lambda layer, h, saved, dy: tuple(h.mul(dx, 1.0001) for dx in rule(layer, h, saved, dy))


def parameter_gradient_scaled(rule: Rule) -> Rule:
    def scaled(layer: Any, h: Any, saved: Any, dy: Any) -> Any:
        dxs = rule(layer, h, saved, dy)
        name = f"{h.node.scope}.{layer.params()[0].name}"
        h.grads[name] = h.mul(h.grads[name], 1.0001)
        return dxs

    return scaled


def gradient_lost_in_jax(rule: Rule) -> Rule:
    """The value stays what it was; half of the gradient goes."""
    halved = "{x} / 2 + jax.lax.stop_gradient({x} / 2)"
    return lambda layer, j, *x: rule(layer, j, *(Expr(f"({halved.format(x=one)})") for one in x))


def without_epsilon(rule: Rule) -> Rule:
    return lambda optimizer, *a: rule(dataclasses.replace(optimizer, epsilon=1e-7), *a)


def with_slow_momentum(rule: Rule) -> Rule:
    return lambda optimizer, *a: rule(dataclasses.replace(optimizer, beta1=0.8), *a)


def loss_scaled(rule: Rule) -> Rule:
    return lambda loss, j, *a: j.mul(1.0001, rule(loss, j, *a))


def loss_gradient_scaled(rule: Rule) -> Rule:
    def scaled(loss: Any, h: Any, *a: Any) -> Any:
        value, dz = rule(loss, h, *a)
        return value, h.mul(dz, 1.0001)

    return scaled


def unless_behind_a_barrier(rule: Rule) -> Rule:
    """As a compiler errs that computes a layer with the one before: in isolation or behind a barrier it is right."""

    def fused(layer: Any, h: Any, x: Any) -> Any:
        y, saved = rule(layer, h, x)
        made = next((line.text for line in h._lines if x in line.results), "an argument")
        right = "barrier" in made or made == "an argument"
        return y, (saved, right)

    return fused


def fused_pool() -> SideUnderTest:
    """A phase 3 whose pool passes on too little where it is computed together with what is before it."""
    forward, original = RULES.hlo_forward.of(MaxPool), RULES.hlo_backward.of(MaxPool)

    def backward(layer: Any, h: Any, saved: Any, dy: Any) -> Any:
        saved, right = saved
        dxs = original(layer, h, saved, dy)
        return dxs if right else tuple(h.mul(dx, 0.55) for dx in dxs)

    wrong = RULES.replace(hlo_forward={MaxPool: unless_behind_a_barrier(forward)}, hlo_backward={MaxPool: backward})
    return SideUnderTest("phase3", experiment("small"), rules=wrong)
