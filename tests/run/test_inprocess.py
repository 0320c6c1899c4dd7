"""Sides in this process: running statistics, evaluation, and what their recordings hold."""

from dataclasses import replace

import numpy as np

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.run.inprocess import Batch, Phase2, Phase3, recorded
from harness.spec.netspec import NetSpec, TrainConfig
from harness.spec.shapes import infer_shapes
from harness.trace.projection import project

SPEC = NetSpec(
    name="tiny",
    dataset="mnist",
    input_shape=(1, 4, 4),
    classes=3,
    layers=(ConvBn(1, 2, 3, 1), GlobalAvgPool(), Dense(2, 3)),
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(lr=0.1, batch_size=2, epochs=1, optimizer=Sgd())


def test_both_sides_keep_running_statistics_and_evaluate_by_them() -> None:
    rng = np.random.default_rng(0)
    batches = [Batch(rng.random((2, 1, 4, 4)), np.array([0, 2], np.int32)) for _ in range(2)]
    images = rng.random((5, 1, 4, 4))
    sides = [make(infer_shapes(SPEC), CONFIG, "f64") for make in (Phase2, Phase3)]
    rates = sides[0].rates(2, 2)
    steps = [side.train(batches, rates) for side in sides]
    for one, other in zip(*steps, strict=True):
        assert one.stats.keys() == other.stats.keys() == {"conv1.mean", "conv1.var"}
        for name, kept in one.stats.items():
            np.testing.assert_allclose(other.stats[name], kept, rtol=1e-12)
    last = steps[0][-1]
    logits = [side.logits(mine[-1], images) for side, mine in zip(sides, steps, strict=True)]
    assert logits[0].shape == (5, 3)
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-11)
    doubled = replace(last, stats={name: 2 * kept for name, kept in last.stats.items()})
    assert [bool(np.allclose(side.logits(doubled, images), logits[0])) for side in sides] == [False, False]

    trace = recorded(sides[0], steps[0], batches, rates, steps_per_epoch=2).trace
    line = trace.lines[2]
    before, after = (step.params["dense1.w"] for step in steps[0])
    assert line.grad_projections is not None and line.update_projections is not None
    assert line.grad_projections["dense1.w"] == project("dense1.w", last.grads["dense1.w"])
    assert line.update_projections["dense1.w"] == project("dense1.w", after - before)
    assert line.stat_norms == {name: np.linalg.norm(kept) for name, kept in last.stats.items()}
