"""Networks that together hold every layer that has rules, and errors in the backward rules of a layer."""

from collections.abc import Callable

from harness.emit.hlo_builder import HloBuilder
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.fire_module import FireModule
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.mb_conv_v3 import MbConvV3
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.layers.sigmoid import Sigmoid
from harness.nn.layers.swish import Swish
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.rules import registered_rules
from harness.spec.rules import Rules
from harness.spec.shapes import infer_shapes
from tests.support.networks import network

# Together they hold every layer that has rules.
NETWORKS = {
    "images": network((1, 6, 6), Conv2d(1, 4, 3), MaxPool(3, 2), ResidualBlock(4, 4), GlobalAvgPool(), Dense(4, 4)),
    "blocks": network(
        (1, 6, 6),
        ConvBn(1, 4),
        MbConvV3(4, 4, 16, squeeze=True, hard_swish=True),
        FireModule(4, 2, 2, 2),
        SeparableConv(4, 4, 2),
        Flatten(),
        Dense(36, 4),
    ),
    "vectors": network(
        (6,),
        Dense(6, 8, activation=Swish()),
        LayerNorm(8),
        Dense(8, 8, activation=Gelu()),
        Dropout(0.5),
        Dense(8, 8, activation=Sigmoid()),
        Dense(8, 4),
    ),
    "instances": network((1, 6, 6), Conv2d(1, 2, 3), InstanceNorm(2), Relu(), AvgPool(3, 2), Flatten(), Dense(18, 4)),
    "sequences": network((1, 6, 6), Conv2d(1, 2, 1), PatchEmbed(2, 8, 3, 4), TransformerEncoder(8, 2, 8), Dense(8, 4)),
}
GRAPHS = {name: infer_shapes(spec) for name, spec in NETWORKS.items()}
Mutation = Callable[[HloBuilder, tuple], tuple]
RULES = registered_rules()


def home_of(layer: type) -> str:
    """The network that holds a layer."""
    return next(name for name, graph in GRAPHS.items() if any(type(node.layer) is layer for node in graph.nodes))


def with_backward_mutated(layer: type, mutate: Mutation) -> Rules:
    """Rules with a layer's backward rule whose results `mutate(h, dxs)` changes."""
    original = RULES.hlo_backward.of(layer)
    return RULES.replace(hlo_backward={layer: lambda facts, h, saved, dy: mutate(h, original(facts, h, saved, dy))})


def scale_gradient(param: str, factor: float) -> Mutation:
    def mutate(h: HloBuilder, dxs: tuple) -> tuple:
        h.grad(param, h.mul(h.grads.pop(f"{h.node.scope}.{param}"), factor))
        return dxs

    return mutate
