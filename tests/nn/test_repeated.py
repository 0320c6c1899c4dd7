"""Families of repeated blocks: which block has the stride, when the skip is a projection, where gamma starts at 0."""

import pytest

from harness.errors import SpecError
from harness.nn.layers.bottleneck_block import BottleneckBlock
from harness.nn.layers.dense import Dense
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.inverted_residual import InvertedResidual
from harness.nn.layers.mb_conv import MbConv
from harness.nn.layers.repeated import Repeated
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.losses import SoftmaxCrossEntropy
from harness.spec.netspec import NetSpec
from harness.spec.shapes import Graph, infer_shapes


def graph(layer: Repeated) -> Graph:
    layers = (layer, GlobalAvgPool(), Dense(layer.out_channels, 10))
    loss = SoftmaxCrossEntropy()
    return infer_shapes(
        NetSpec(name="net", dataset="mnist", input_shape=(4, 9, 9), classes=10, layers=layers, loss=loss)
    )


@pytest.mark.parametrize(
    "layer",
    [
        ResidualBlock(4, 8, 3, 2),
        BottleneckBlock(4, 8, 3, 2),
        InvertedResidual(4, 8, 2, 2, 3),
        MbConv(4, 8, 2, stride=2, blocks=3),
        FusedMbConv(4, 8, 2, stride=2, blocks=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_only_the_first_block_has_the_stride_and_the_channels_of_the_input(layer: Repeated) -> None:
    nodes = {node.name: node for node in graph(layer).nodes}
    scope = layer.kind + "1"
    ends = [nodes[node.inputs[0]] for node in nodes.values() if node.name.endswith(".sum")]
    projected = isinstance(layer, ResidualBlock | BottleneckBlock)
    assert len(ends) == (3 if projected else 2)
    assert {end.out_shape for end in ends} == {(8, 5, 5)}
    assert (f"{scope}.b1.proj" in nodes) == projected
    assert not any(f"{scope}.b{i}.proj" in nodes for i in (2, 3))


@pytest.mark.parametrize(("layer", "last"), [(ResidualBlock(4, 8, 2, 2), "conv2"), (BottleneckBlock(4, 8, 2), "conv3")])
def test_zero_gamma_is_that_of_the_last_batch_norm_of_a_branch(layer: ResidualBlock, last: str) -> None:
    zero = type(layer)(layer.in_channels, layer.out_channels, layer.blocks, layer.stride, zero_gamma=True)
    changed = {p.name for p, q in zip(graph(zero).params, graph(layer).params, strict=True) if p != q}
    assert changed == {f"{layer.kind}1.b{i}.{last}.gamma" for i in (1, 2)}
    assert {p.init for p in graph(zero).params if p.name in changed} == {"zeros"}
    assert graph(zero).spec.netspec_hash() != graph(layer).spec.netspec_hash()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (ResidualBlock(4, 8, 0), "net, layer 1 'residual1': blocks=0; it must be at least 1."),
        (BottleneckBlock(4, 10), "net, layer 1 'bottleneck1': out_channels=10; it must be a multiple of 4."),
        (InvertedResidual(4, 8, 0), "net, layer 1 'inverted1': expansion=0; it must be at least 1."),
        (MbConv(4, 8, 2, stride=0), "net, layer 1 'mbconv1': stride=0; it must be at least 1."),
    ],
)
def test_a_block_that_cannot_be_made_is_refused_by_layer_and_field(layer: Repeated, message: str) -> None:
    with pytest.raises(SpecError) as told:
        graph(layer)
    assert message in str(told.value)
