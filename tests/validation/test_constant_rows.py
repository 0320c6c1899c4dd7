"""A layer norm of constant rows: what is zero on one side is rounding, magnified 316 times, on the other."""

import numpy as np
import pytest

from harness.nn.layers.dense import Dense
from harness.nn.layers.layer_norm import LayerNorm
from harness.run.inprocess import Batch, recorded
from harness.spec.netspec import DType
from harness.spec.shapes import infer_shapes
from harness.validation.oracle.examination import judge as judge_by_oracle
from harness.validation.oracle.side_by_side import SideBySide
from harness.verdict.compare import compare
from harness.verdict.judge import judge
from tests.support.networks import config, network

GRAPH = infer_shapes(network((784,), LayerNorm(784), Dense(784, 4)))


def batches(value: float, dtype: DType) -> list[Batch]:
    kind = np.float32 if dtype == "f32" else np.float64
    rows = np.full((4, 784), np.float32(value), np.float32).astype(kind)
    return [Batch(rows, np.zeros(4, np.int32)) for _ in range(4)]  # of other labels some gradients cancel


@pytest.mark.parametrize("value", [0.3, 1.0])
def test_neither_the_oracle_nor_the_cross_check_calls_it_a_fault(value: float) -> None:
    sides = SideBySide(GRAPH, config(lr=0.001), "f64")
    fed = batches(value, "f64")
    assert judge_by_oracle(sides, fed[:3], 100, 1e-5, interpreter=False).complaints == ()
    runs = [
        recorded(side, side.train(fed, side.rates(4, 100)), fed, side.rates(4, 100), steps_per_epoch=100)
        for side in sides.sides
    ]
    found = judge(compare(*runs))
    assert (found.status, next(line.outcome for line in found.evidence if line.gate == "ladder")) == ("PASS", "pass")


@pytest.mark.parametrize("value", [0.3, 1.0])
def test_the_oracle_in_f32_leaves_it_to_f64(value: float) -> None:
    sides = SideBySide(GRAPH, config(lr=0.001), "f32")
    assert judge_by_oracle(sides, batches(value, "f32")[:1], 100, 1e-5, interpreter=False).complaints == ()
