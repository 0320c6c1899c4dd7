"""Drawn networks through both pipelines in f64. A few in every run of the tests; `make fuzz EXAMPLES=200` for more."""

import os

import numpy as np
from hypothesis import assume, given, note, settings

from harness.run.inprocess import Batch
from harness.spec.as_code import as_code
from harness.spec.netspec import NetSpec, TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.validation.oracle.judgement import GRADIENT, LOSS_F64, gradient_difference, loss_differences
from harness.validation.oracle.side_by_side import SideBySide
from tests.support.drawn_networks import CLASSES, CONFIGS, networks

EXAMPLES = int(os.environ.get("HARNESS_FUZZ_EXAMPLES", "5"))
STEPS = 2


def spread(graph: Graph, initial: np.ndarray) -> np.ndarray:
    """Initial parameters with constants moved apart: a beta of 0 puts every unit of a dead channel on ReLU's kink."""
    rng = np.random.default_rng(1)
    constant = np.concatenate([np.full(int(np.prod(p.shape)), p.init != "he_normal") for p in graph.params])
    return (initial + 0.3 * rng.normal(size=initial.shape) * constant).astype(np.float32)


def drawn_batches(graph: Graph, config: TrainConfig) -> list[Batch]:
    rng = np.random.default_rng(2)
    shape = (config.batch_size, *graph.spec.input_shape)
    return [
        Batch(rng.normal(size=shape), rng.integers(0, CLASSES, config.batch_size).astype(np.int32))
        for _ in range(STEPS)
    ]


def own_difference(both: SideBySide, batches: list[Batch]) -> float:
    """How far phase 2 alone moves its gradient when its parameters move by a few units in the 13th place.

    Far where a ReLU or a maximum stands on its kink, since no derivative is the right one there.
    """
    here = both.phase2(batches[:1], 10)[0].grads
    exact, rng, moved = both.initial, np.random.default_rng(3), 0.0
    try:
        for _ in range(3):
            both.initial = exact.astype(np.float64) * (1 + 1e-13 * rng.normal(size=exact.shape))
            moved = max(moved, gradient_difference(both.phase2(batches[:1], 10)[0].grads, here).value)
    finally:
        both.initial = exact
    return moved


@settings(max_examples=EXAMPLES)
@given(networks(), CONFIGS)
def test_drawn_networks_have_one_gradient(spec: NetSpec, config: TrainConfig) -> None:
    note(f"SPEC = {as_code(spec)}\nCONFIG = {as_code(config)}")
    graph = infer_shapes(spec)
    both = SideBySide(graph, config, "f64")
    both.initial = spread(graph, both.initial)
    batches = drawn_batches(graph, config)
    phase2, phase3 = both.phase2(batches, 10), both.phase3(batches, 10)
    gradient = gradient_difference(phase3[0].grads, phase2[0].grads)
    if not gradient.within(GRADIENT["f64"]):
        assume(gradient.value > 10 * own_difference(both, batches))  # less is the network's own doing
    assert gradient.within(GRADIENT["f64"]), f"the gradient of {gradient.tensor} differs by {gradient.value:.1e}"
    for step, (loss, delta) in enumerate(zip(phase2, loss_differences(phase3, phase2), strict=True), 1):
        assert delta <= LOSS_F64 * max(1.0, abs(loss.loss)), f"the loss of step {step} differs by {delta:.1e}"
