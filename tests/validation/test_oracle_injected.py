"""The oracle is red for one injected error in every backward rule, in the optimizers and in weight decay.

Wrong derivations need no compiler to show: phase 3 runs in the interpreter here.
"""

import dataclasses
from functools import cache

import numpy as np
import pytest

from harness.nn.cases import PLAIN
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.relu import Relu
from harness.nn.optimizers import Adam, Sgd
from harness.run.inprocess import Step
from harness.spec.netspec import DType
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, infer_shapes
from harness.validation.oracle.examination import judge, optimizers_apart
from harness.validation.oracle.judgement import GRADIENT, ULPS, Largest, gradient_difference, loss_differences
from harness.validation.oracle.side_by_side import SideBySide
from tests.support.every_layer import GRAPHS, NETWORKS, RULES, Mutation, home_of, scale_gradient, with_backward_mutated
from tests.support.networks import config, network
from tests.support.programs import drawn


def scale_input_gradient(factor: float) -> Mutation:
    return lambda h, dxs: tuple(h.mul(dx, factor) for dx in dxs)


@cache
def reference(name: str, dtype: DType) -> Step:
    """Step 1 of phase 2, which no injected error touches."""
    graph = GRAPHS[name]
    return SideBySide(graph, config(), dtype).phase2(*drawn(graph, config(), dtype, 1))[0]


def difference(name: str, dtype: DType, rules: Rules = RULES) -> Largest:
    """Phase 3 by those rules, against the reference."""
    batches, steps_per_epoch = drawn(GRAPHS[name], config(), dtype, 1)
    both = SideBySide(GRAPHS[name], config(), dtype, rules=rules)
    found = both.interpreted(batches[0], steps_per_epoch)
    return gradient_difference(found.grads, reference(name, dtype).grads)


def params_before(graph: Graph, layer: type) -> set[str]:
    """The parameters whose gradients pass backwards through a layer of that kind."""
    behind: dict[str, set[str]] = {"x": set()}
    found: set[str] = set()
    for node in graph.nodes:
        above = set().union(*(behind[name] for name in node.inputs))
        if type(node.layer) is layer:
            found |= above
        behind[node.name] = above | {f"{node.scope}.{p.name}" for p in node.layer.params()}
    return found


LAYERS = sorted(RULES.hlo_backward, key=lambda layer: layer.__name__)
PARAMS = [
    (layer, param)
    for layer in LAYERS
    for param in dict.fromkeys(
        p.name for node in GRAPHS[home_of(layer)].nodes if type(node.layer) is layer for p in node.layer.params()
    )
]


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_green_without_an_error(name: str, dtype: DType) -> None:
    assert difference(name, dtype).within(GRADIENT[dtype])


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_a_scaled_input_gradient_is_red_and_named(layer: type, dtype: DType) -> None:
    name = home_of(layer)
    found = difference(name, dtype, with_backward_mutated(layer, scale_input_gradient(1.02)))
    assert not found.within(GRADIENT[dtype])
    assert found.tensor in params_before(GRAPHS[name], layer)


@pytest.mark.parametrize(("layer", "param"), PARAMS, ids=lambda part: getattr(part, "__name__", part))
def test_a_scaled_gradient_is_red_and_named(layer: type, param: str) -> None:
    """By one thousandth more than it is: in f64 only."""
    name = home_of(layer)
    found = difference(name, "f64", with_backward_mutated(layer, scale_gradient(param, 1.001)))
    assert found.value == pytest.approx(1e-3, rel=1e-3)
    scopes = [node.scope for node in GRAPHS[name].nodes if type(node.layer) is layer]
    assert found.tensor in [f"{scope}.{param}" for scope in scopes]


def test_the_loss_of_step_2_does_not_see_a_scale_and_the_gradient_does() -> None:
    graph = infer_shapes(network((6,), Dense(6, 5, activation=Relu()), Dense(5, 4)))
    train = config(weight_decay=0.0)
    both = SideBySide(graph, train, "f64", rules=with_backward_mutated(Dense, scale_gradient("w", 2.0)))
    found = judge(both, *drawn(graph, train), PLAIN, interpreter=True)
    assert max(found.losses) < 1e-6
    assert found.gradient.value == pytest.approx(1.0)
    assert found.gradient.tensor in ("dense1.w", "dense2.w")
    assert found.complaints[0].startswith(f"the gradient of {found.gradient.tensor} differs by 1.00e+00")
    assert found.complaints[-1] == "the interpreter agrees with phase 3: the derivation differs, not the compiler"


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("optimizer", [Adam(), Sgd(), Sgd(momentum=0.9)], ids=repr)
def test_right_optimizers_agree_apart(optimizer: Adam | Sgd, dtype: DType) -> None:
    graph = infer_shapes(network((1, 4, 4), ConvBn(1, 3), Flatten(), Dense(48, 4)))
    assert optimizers_apart(SideBySide(graph, config(optimizer=optimizer), dtype)).within(ULPS)


def without_correction(optimizer, h, g, m, v, t):
    return rule_of_adam(optimizer, h, g, m, v, h.constant(1000.0))


rule_of_adam = RULES.hlo_optimizer.of(Adam)
WRONG_ADAM = {
    "epsilon": lambda o, *a: rule_of_adam(dataclasses.replace(o, epsilon=1e-7), *a),
    "beta2": lambda o, *a: rule_of_adam(dataclasses.replace(o, beta2=0.99), *a),
    "bias correction": without_correction,
    "squares of what": lambda o, h, g, *a: rule_of_adam(o, h, h.mul(g, 1.001), *a),
}


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("error", WRONG_ADAM)
def test_an_error_in_the_optimizer_is_red(error: str, dtype: DType) -> None:
    wrong = RULES.replace(hlo_optimizer={Adam: WRONG_ADAM[error]})
    found = optimizers_apart(SideBySide(infer_shapes(network((6,), Dense(6, 4))), config(), dtype, rules=wrong))
    assert not found.within(10 * ULPS)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("wrong", [0.0, 0.1001, -0.1])
def test_an_error_in_weight_decay_is_red_and_named(wrong: float, dtype: DType) -> None:
    both = SideBySide(infer_shapes(network((6,), Dense(6, 4))), config(weight_decay=0.1), dtype)
    object.__setattr__(both.config, "weight_decay", wrong)  # phase 2 was emitted already
    found = optimizers_apart(both)
    assert not found.within(ULPS)
    assert found.tensor == "dense1.w"


def test_a_gradient_that_is_not_a_number_is_red() -> None:
    right = {"a": np.ones(3), "b": np.ones(2)}
    assert not gradient_difference(right | {"b": np.array([1, np.nan])}, right).within(1e300)
    assert gradient_difference(right | {"b": np.array([1, np.nan])}, right).tensor == "b"


def test_nothing_but_zeros_is_not_a_comparison() -> None:
    zeros = {"a": np.zeros(3)}
    assert not gradient_difference(zeros, zeros).within(1e300)


def test_the_floor_is_for_tensors_of_noise_alone() -> None:
    right = {"w": np.array([1.0, 0.0]), "b": np.array([0.0])}
    assert gradient_difference(right | {"b": np.array([1e-12])}, right) == Largest(pytest.approx(2**0.5 * 1e-11), "b")
    coarse = {name: x.astype(np.float32) for name, x in right.items()}
    off = gradient_difference(coarse | {"b": np.array([1e-6], np.float32)}, coarse)
    assert off == Largest(0.0, "w")  # so small a gradient is left to f64
    off = gradient_difference(coarse | {"b": np.array([1e-2], np.float32)}, coarse)
    assert off == Largest(pytest.approx(2**0.5 * 1e1, rel=1e-3), "b")
    assert gradient_difference(right | {"w": np.array([1.0, 1e-12])}, right) == Largest(pytest.approx(1e-12), "w")


def test_losses_above_one_nat_are_compared_relatively() -> None:
    found = [Step(loss, {}, {}) for loss in (200.0, 0.5)]
    assert loss_differences(found, [Step(loss, {}, {}) for loss in (100.0, 0.25)]) == (1.0, 0.25)
