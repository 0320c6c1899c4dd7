"""One injected error in a rule of either side: layer, direction and side are named, and no layer that receives it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from harness.explain.locate.definition import defined_rate
from harness.explain.locate.location import Location, define, locate
from harness.explain.locate.side_under_test import SideUnderTest
from harness.explain.locate.whole_step import first_deviating_boundary, run_plain, run_tapped
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.dense import Dense
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.relu import Relu
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.run.inprocess import Batch, Phase2, Phase3, Step
from harness.spec.netspec import Conventions
from harness.spec.rules import Rule
from tests.support.every_layer import RULES, home_of
from tests.support.networks import config
from tests.support.wrong_sides import (
    NETWORKS,
    experiment,
    fused_pool,
    gradient_lost_in_jax,
    gradient_scaled,
    hlo_scaled,
    jax_scaled,
    loss_gradient_scaled,
    loss_scaled,
    mutated,
    pair,
    parameter_gradient_scaled,
    with_slow_momentum,
    without_epsilon,
)


def located(name: str, side: str, table: str, facts: type, change: Callable[[Rule], Rule]) -> Location:
    """The location when one side is emitted by a changed rule."""
    rules = {"phase2": RULES, "phase3": RULES, side: mutated(table, facts, change)}
    return locate(*(SideUnderTest(pipeline, experiment(name), rules=of) for pipeline, of in rules.items()))


def nodes_of(name: str, layer: type) -> list[str]:
    return [node.name for node in NETWORKS[name].nodes if type(node.layer) is layer]


@pytest.mark.parametrize(
    ("side", "table", "layer", "change", "direction"),
    [
        ("phase2", "jax", Convolution, jax_scaled, "forward"),
        ("phase3", "hlo_forward", Convolution, hlo_scaled, "forward"),
        ("phase3", "hlo_forward", LayerNorm, hlo_scaled, "forward"),
        ("phase2", "jax", MaxPool, gradient_lost_in_jax, "backward"),
        ("phase2", "jax", LayerNorm, gradient_lost_in_jax, "backward"),
        ("phase3", "hlo_backward", MaxPool, gradient_scaled, "backward"),
        ("phase3", "hlo_backward", BatchNorm, parameter_gradient_scaled, "backward"),
        ("phase3", "hlo_backward", Dense, parameter_gradient_scaled, "backward"),
    ],
    ids=lambda part: getattr(part, "__name__", getattr(part, "name", part)),
)
def test_a_layer_is_named_and_none_that_receives_its_error(
    side: str, table: str, layer: type, change: Callable[[Rule], Rule], direction: str
) -> None:
    name = home_of(layer)
    found = located(name, side, table, layer, change)
    assert (found.fault, found.direction, found.side) == (direction, direction, side)
    nodes = nodes_of(name, layer)
    assert found.layer == (nodes[0] if direction == "forward" else nodes[-1])
    assert {culprit.layer for culprit in found.culprits} == set(nodes)
    assert f"isolated pieces in f64: {found.layer}, {direction}, {side}: " in found.evidence[-1]


@pytest.mark.parametrize(
    ("side", "table", "facts", "change", "where"),
    [
        ("phase2", "jax_loss", SoftmaxCrossEntropy, loss_scaled, ("forward", "loss", "forward")),
        ("phase3", "hlo_loss", SoftmaxCrossEntropy, loss_gradient_scaled, ("backward", "loss", "backward")),
        ("phase2", "jax_optimizer", Adam, with_slow_momentum, ("optimizer", "optimizer", "optimizer")),
        ("phase3", "hlo_optimizer", Adam, without_epsilon, ("optimizer", "optimizer", "optimizer")),
    ],
    ids=lambda part: getattr(part, "__name__", getattr(part, "name", "")),
)
def test_loss_and_optimizer_are_named(side, table, facts, change, where) -> None:
    found = located("small", side, table, facts, change)
    assert (found.fault, found.layer, found.direction, found.side) == (*where, side)
    assert {culprit.layer for culprit in found.culprits} == {where[1]}


def test_two_right_sides_have_no_culprit() -> None:
    found = locate(*pair("small"))
    assert found == Location(None, evidence=found.evidence)
    assert [line.partition(":")[0] for line in found.evidence] == [
        *("data", "schedule", "isolated pieces in f64", "whole step in f64", "isolated pieces in f32")
    ]


def test_a_convention_is_a_culprit_of_the_side_that_has_it() -> None:
    found = locate(*pair("small", conventions=Conventions(decay_set="all", weight_decay="coupled")))
    assert (found.fault, found.layer, found.side) == ("optimizer", "optimizer", "phase3")


def test_an_error_in_f32_only_is_numerics() -> None:
    def coarse_in_f32(rule: Rule) -> Rule:
        scaled = hlo_scaled(rule)
        return lambda layer, h, *x: (scaled if h.dtype == "f32" else rule)(layer, h, *x)

    found = located("small", "phase3", "hlo_forward", Relu, coarse_in_f32)
    assert (found.fault, found.layer, found.direction, found.side) == ("numerics", "relu1", "forward", "phase3")


def test_the_side_with_another_feed_is_named() -> None:
    right = experiment("small").batches
    turned = [*right[:2], Batch(right[2].x[::-1], right[2].labels)]
    found = locate(*pair("small", batches=turned))
    assert (found.fault, found.side) == ("data", "phase3")
    assert "phase3: images of step 3 are not the expected ones" in found.evidence[-1]
    labels = right[1].labels.copy()
    labels[0] += 1
    found = locate(*pair("small", batches=[right[0], Batch(right[1].x, labels), right[2]]))
    assert "phase3: labels of step 2 are not the expected ones" in found.evidence[-1]


def test_the_side_with_another_rate_is_named() -> None:
    rates = SideUnderTest("phase3", experiment("small")).rates
    found = locate(*pair("small", rates=[rates[0], rates[1] * 1.001, rates[2]]))
    assert (found.fault, found.side) == ("schedule", "phase3")
    assert "phase3: the learning rate of step 2 is " in found.evidence[-1]


@pytest.mark.parametrize("schedule", ["epoch", "step"])
@pytest.mark.parametrize(("warmup", "cosine"), [(0, False), (2, False), (2, True), (0, True)])
def test_the_defined_rate_is_that_of_both_sides(schedule, warmup, cosine) -> None:
    train = dataclasses.replace(config(), epochs=4, schedule=schedule, warmup_epochs=warmup, cosine=cosine)
    graph = NETWORKS["small"]
    for side in (Phase2(graph, train, "f32"), Phase3(graph, train, "f32")):
        for t in range(1, 13):
            assert side.learning_rate(t, 3) == pytest.approx(defined_rate(train, t, 3), rel=2e-7)


def test_taps_change_no_loss_and_show_what_the_definition_has() -> None:
    truth = define(experiment("small"), 2)[1]
    for side in pair("small"):
        tapped, plain = run_tapped(side, "f64", 2), run_plain(side, side.programs["f64"], "f64", 2)[-1]
        assert tapped.step.loss == plain.loss
        assert list(tapped.values) == list(tapped.cotangents) == [node.name for node in NETWORKS["small"].nodes]
        assert first_deviating_boundary(tapped, truth) is None


def test_an_update_that_does_not_follow_from_its_gradient_is_named() -> None:
    right, wrong = pair("small")
    side = wrong.programs["f64"]
    train = side.train

    def stale(*feed: Any) -> list[Step]:
        steps = train(*feed)
        before = dict(zip(side.names, side.split(side.initial()), strict=True))
        return [dataclasses.replace(s, params=s.params | {"dense1.w": before["dense1.w"]}) for s in steps]

    side.train = stale
    found = locate(right, wrong)
    assert (found.fault, found.layer, found.side) == ("optimizer", "optimizer", "phase3")
    assert "phase3: the update of dense1.w deviates by" in found.evidence[-1]


def test_nothing_is_compared_with_a_definition_that_is_not_finite() -> None:
    definition, truth = define(experiment("small"), 1)
    found = locate(*pair("small"), defined=(definition, dataclasses.replace(truth, loss=float("nan"))))
    assert (found.fault, found.conclusive) == (None, False)
    assert "so nothing can be compared with it" in found.evidence[-1]


def test_a_barrier_names_the_place_where_every_piece_is_correct() -> None:
    found = locate(SideUnderTest("phase2", experiment("small")), fused_pool())
    assert (found.fault, found.layer, found.side) == ("backward", "relu1", "phase3")
    assert "isolated pieces in f64: every layer, the loss and the update are correct on both sides." in found.evidence
    assert found.evidence[-1].startswith("barriers: phase3: an optimization barrier at relu1 removes the error")
