"""Whole networks through both pipelines in this process, in f64: what agrees there agrees but for rounding."""

import pytest

from harness.nn.layers.bottleneck_block import BottleneckBlock
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.fire_module import FireModule
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.inverted_residual import InvertedResidual
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.layers.mb_conv_v3 import MbConvV3
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.layers.uib import Uib
from harness.nn.optimizers import Sgd
from harness.spec.netspec import Conventions, Layer, Shape
from harness.spec.shapes import infer_shapes
from harness.validation.oracle.side_by_side import SideBySide
from tests.support.networks import config, network
from tests.support.programs import difference, drawn, worst_difference

SMALL_CNN = network((1, 8, 8), ConvBn(1, 3), MaxPool(2, 2), Conv2d(3, 2, 3, activation=Relu()), Flatten(), Dense(32, 4))


@pytest.mark.parametrize(
    "block",
    [
        ResidualBlock(2, 2),
        ResidualBlock(2, 3, blocks=2, stride=2),
        ResidualBlock(2, 2, blocks=2, zero_gamma=True),
        BottleneckBlock(2, 4, blocks=2, stride=2, zero_gamma=True),
        BottleneckBlock(2, 8, blocks=2),
        BottleneckBlock(2, 4, stride=2),
        SeparableConv(2, 3, stride=2),
        InvertedResidual(2, 2, expansion=2),
        InvertedResidual(2, 3, expansion=1, stride=2, blocks=2),
        MbConv(2, 2, expansion=2, kernel=3),
        MbConv(2, 3, expansion=1, kernel=5, stride=2, blocks=2, squeeze=False),
        MbConvV3(2, 2, width=8, squeeze=True, hard_swish=True),
        MbConvV3(2, 3, width=2, kernel=5, stride=2),
        FusedMbConv(2, 2, expansion=2, squeeze=True),
        FusedMbConv(2, 3, expansion=1, stride=2, blocks=2),
        *(Uib(2, 2, 2, 1, pre, post) for pre, post in ((0, 0), (3, 0), (0, 5), (3, 5))),
        *(Uib(2, 3, 2, 2, pre, post) for pre, post in ((3, 0), (0, 5), (3, 5))),
        FireModule(2, 2, 3, 2),
    ],
    ids=repr,
)
def test_compositions_agree_in_f64(block: Layer) -> None:
    channels = block.expand1 + block.expand3 if isinstance(block, FireModule) else block.out_channels
    spec = network((2, 6, 6), block, GlobalAvgPool(), Dense(channels, 4))
    both = SideBySide(infer_shapes(spec), config(), "f64")
    assert difference(both) < 1e-9


def test_dropped_and_instance_normed_networks_agree_in_f64() -> None:
    image = (Conv2d(2, 3, 3), InstanceNorm(3), Relu(), Dropout(0.3), Conv2d(3, 3, 3), InstanceNorm(3))
    spec = network((2, 6, 5), *image, Dropout(0.5), Flatten(), Dense(90, 8), Dropout(0.2, seed=1), Dense(8, 4))
    both = SideBySide(infer_shapes(spec), config(optimizer=Sgd(momentum=0.9)), "f64")
    assert difference(both) < 1e-9


@pytest.mark.parametrize(
    ("layers", "image"),
    [
        ((PatchEmbed(2, 6, 2, 9), TransformerEncoder(6, 2, 8, blocks=2)), (2, 6, 6)),
        ((PatchEmbed(2, 4, 3, 2), TransformerEncoder(4, 1, 6)), (2, 5, 7)),
        ((PatchEmbed(1, 6, 3, 4), Flatten(), LayerNorm(30), Dense(30, 6)), (1, 6, 6)),
    ],
    ids=repr,
)
def test_sequences_agree_in_f64(layers: tuple[Layer, ...], image: Shape) -> None:
    """By SGD: the gradient of a key's bias is exactly zero, and Adam would turn its rounding noise into updates."""
    spec = network(image, *layers, Dense(layers[0].dim, 4))
    both = SideBySide(infer_shapes(spec), config(optimizer=Sgd(momentum=0.9)), "f64")
    assert difference(both) < 1e-9


@pytest.mark.parametrize("weight_decay", ["decoupled", "coupled"])
@pytest.mark.parametrize("decay_set", ["weights", "all"])
def test_weight_decay_conventions_mean_the_same_on_both_sides(weight_decay: str, decay_set: str) -> None:
    conventions = Conventions(weight_decay=weight_decay, decay_set=decay_set)
    both = SideBySide(infer_shapes(network((6,), Dense(6, 5), Dense(5, 4))), config(), "f64", conventions)
    default = SideBySide(both.graph, config(), "f64")
    fed = drawn(both.graph, both.config)
    phase2 = both.phase2(*fed)
    assert worst_difference(both.phase3(*fed), phase2) < 1e-9
    if conventions != Conventions():
        assert worst_difference(default.phase3(*fed), phase2) > 1e-6


def test_a_small_cnn_agrees_in_f64() -> None:
    both = SideBySide(infer_shapes(SMALL_CNN), config(), "f64")
    assert difference(both) < 1e-9
