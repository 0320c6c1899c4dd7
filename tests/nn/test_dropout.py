"""Dropout: one mask on both sides, another at every step and in every layer, and none in evaluation."""

import dataclasses
import math

import numpy as np
import pytest

from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.phase3 import emit_phase3
from harness.errors import SpecError
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions, NetSpec, Shape, TrainConfig
from harness.spec.shapes import Node, infer_shapes
from tests.support.programs import hlo_layer, iree_call, jax_layer, layer_node

BATCH = 3


def mix(word: int) -> int:
    """Murmur3's finaliser in whole numbers."""
    for shift, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        word = (word ^ word >> shift) * multiplier % 2**32
    return word ^ word >> 16


def expected(node: Node, seed: int, t: int) -> np.ndarray:
    """Where elements are kept, straight from specs/README.md."""
    shape = (BATCH, *node.out_shape)
    key = mix(t ^ mix(seed))
    words = [mix(i ^ key) for i in range(math.prod(shape))]
    return np.array(words, np.uint64).reshape(shape) >= int(node.layer.rate * 2**32)


def kept(node: Node, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each side keeps elements: phase 2 of an image of ones, phase 3 of that and of a gradient of ones."""
    ones = np.ones((BATCH, *node.out_shape))
    jax_y = np.asarray(jax_layer(node)({}, {}, ones, t=np.float64(t)))
    y, dx = iree_call(hlo_layer(node, BATCH), [ones, ones, np.array(float(t))])
    scale = 1 / (1 - node.layer.rate)
    for values in (jax_y, y, dx):
        np.testing.assert_allclose(values[values != 0], scale, rtol=1e-15)
    np.testing.assert_array_equal(y, dx)
    return jax_y != 0, y != 0


def named(layer: Dropout, shape: Shape, name: str = "drop") -> Node:
    return dataclasses.replace(layer_node(layer, (shape,)), name=name)


def test_the_finaliser_is_murmurs() -> None:
    assert [mix(i) for i in (0, 1, 0xFFFFFFFF)] == [0, 0x514E28B7, 0x81F16F39]


@pytest.mark.parametrize("shape", [(2, 3, 5), (4, 6), (7,)], ids=str)
@pytest.mark.parametrize("t", [1, 2, 7020])
def test_both_sides_keep_the_elements_of_the_specification(shape: Shape, t: int) -> None:
    node = named(Dropout(0.4, seed=0xDEADBEEF), shape)
    want = expected(node, 0xDEADBEEF, t)
    for found in kept(node, t):
        np.testing.assert_array_equal(found, want)


def test_masks_differ_between_steps_and_between_layers() -> None:
    shape = (4, 8, 8)
    first, second = named(Dropout(0.5), shape, "dropout1"), named(Dropout(0.5), shape, "dropout2")
    masks = [kept(node, t)[1] for node, t in ((first, 1), (first, 2), (second, 1))]
    for i, a in enumerate(masks):
        for b in masks[i + 1 :]:
            assert 0.4 < (a == b).mean() < 0.6


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_kept_fraction_is_right(rate: float) -> None:
    """Within four standard deviations; at rate 0 all are kept."""
    node = named(Dropout(rate), (8, 32, 32))
    mask = kept(node, 3)[1]
    assert abs(mask.mean() - (1 - rate)) <= 4 * math.sqrt(rate * (1 - rate) / mask.size)


def test_evaluation_drops_nothing() -> None:
    x = Expr("x")
    assert registered_rules().jax_eval_of(Dropout)(Dropout(0.5), JaxBuilder(Conventions()), x) is x
    layers = (Dropout(0.5), Dense(6, 4))
    loss = SoftmaxCrossEntropy()
    spec = NetSpec(name="net", dataset="mnist", input_shape=(6,), classes=4, layers=layers, loss=loss)
    train = TrainConfig(lr=0.1, batch_size=2, epochs=1, optimizer=Sgd())
    texts, _ = emit_phase3(infer_shapes(spec), train, "f32", Conventions(), rules=registered_rules())
    assert "dropout1_y = stablehlo.select" in texts["train_step"]
    assert "dropout" not in texts["logits"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [(Dropout(1.0), r"rate=1.0; it must be in \[0, 1\)"), (Dropout(0.5, seed=2**32), "seed=4294967296; it must be in")],
)
def test_a_rate_or_a_seed_out_of_range_is_refused(layer: Dropout, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        layer.validate()
