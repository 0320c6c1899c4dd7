"""The table of cases: those of the published table, and those for its blind spots."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import SpecError, unknown
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.bottleneck_block import BottleneckBlock
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn, ConvBnZeroGamma
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.fire_module import FireModule
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.fused_mb_conv import FusedMbConv
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.hard_sigmoid import HardSigmoid
from harness.nn.layers.hard_swish import HardSwish
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.inverted_residual import InvertedResidual
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.layers.mb_conv_v3 import MbConvV3
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.relu6 import Relu6
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.layers.sigmoid import Sigmoid
from harness.nn.layers.swish import Swish
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.layers.uib import Uib
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.spec.models import load_model, model_names
from harness.spec.netspec import Layer, NetSpec, TrainConfig
from harness.spec.network_file import is_network_file
from harness.spec.shapes import Graph, infer_shapes

CONFIG = TrainConfig(lr=0.001, batch_size=4, epochs=1, optimizer=Adam())
# Differences of the loss in f32 that the published table allows: without and with batch norm, and with a pool, where a
# maximum may move.
PLAIN, NORMED, POOLED = 1e-5, 1e-4, 1e-3


@dataclass(frozen=True)
class OracleCase:
    """A network and how it is trained. `tolerance`: of the f32 losses, None where there is no such figure.

    `params`: the published number of parameters, None where there is none. `source`: what finds it again, its name
    where it is empty.
    """

    name: str
    spec: NetSpec
    config: TrainConfig
    tolerance: float | None
    params: int | None = None
    source: str = ""

    def graph(self) -> Graph:
        """The network's nodes.

        Raises: SpecError when it does not have its number of parameters.
        """
        graph = infer_shapes(self.spec)
        if self.params is not None and graph.total_params != self.params:
            raise SpecError(f"{self.name}: {graph.total_params:,} parameters, expected {self.params:,}.")
        return graph


def _spec(name: str, *layers: Layer) -> NetSpec:
    """On MNIST: as vectors where the first layer is dense."""
    shape = (784,) if isinstance(layers[0], Dense) else (1, 28, 28)
    return NetSpec(name=name, dataset="mnist", input_shape=shape, classes=10, layers=layers, loss=SoftmaxCrossEntropy())


def _published(name: str, params: int, tolerance: float, *layers: Layer) -> OracleCase:
    return OracleCase(name, _spec(name, *layers), CONFIG, tolerance, params)


def _case(name: str, tolerance: float, *layers: Layer, config: TrainConfig = CONFIG) -> OracleCase:
    return OracleCase(name, _spec(name, *layers), config, tolerance)


def _behind_stem(name: str, tolerance: float, features: int, *blocks: Layer, channels: int = 4) -> OracleCase:
    """Blocks behind a convolution that leaves 14x14 pixels of so many channels; `features` come out of the last."""
    return _case(name, tolerance, ConvBn(1, channels, 3, 2), *blocks, Flatten(), Dense(features, 10))


_STEM = ConvBn(1, 4)

PUBLISHED = (
    _published("dense", 7_850, PLAIN, Dense(784, 10)),
    _published("dense-relu", 50_890, PLAIN, Dense(784, 64, activation=Relu()), Dense(64, 10)),
    _published("conv", 31_410, PLAIN, Conv2d(1, 4, 3), Flatten(), Dense(3136, 10)),
    _published("convbn", 31_414, NORMED, _STEM, Flatten(), Dense(3136, 10)),
    _published("conv-pool", 7_890, POOLED, Conv2d(1, 4, 3), MaxPool(2, 2), Flatten(), Dense(784, 10)),
    _published("residual", 31_718, PLAIN, _STEM, ResidualBlock(4, 4), Flatten(), Dense(3136, 10)),
    _published("depthwise", 31_590, NORMED, _STEM, InvertedResidual(4, 4, 2), Flatten(), Dense(3136, 10)),
    _published("attention", 3_514, PLAIN, PatchEmbed(1, 16, 7, 16), TransformerEncoder(16, 2, 32), Dense(16, 10)),
    _published("mbconv", 31_632, NORMED, _STEM, MbConv(4, 4, 2), Flatten(), Dense(3136, 10)),
    _published("global-avg-pool", 94, PLAIN, _STEM, GlobalAvgPool(), Dense(4, 10)),
    _published("bottleneck", 62_910, NORMED, ConvBn(1, 8), BottleneckBlock(8, 8), Flatten(), Dense(6272, 10)),
    _published(
        "mbconv-v3",
        31_632,
        NORMED,
        _STEM,
        MbConvV3(4, 4, 8, squeeze=True, hard_swish=True),
        Flatten(),
        Dense(3136, 10),
    ),
    _published("fused-mbconv", 31_758, NORMED, _STEM, FusedMbConv(4, 4, 2), Flatten(), Dense(3136, 10)),
    _published("uib", 31_762, NORMED, _STEM, Uib(4, 4, 2, pre=3, post=5), Flatten(), Dense(3136, 10)),
)

_TRAINING = (
    ("weight-decay", {"weight_decay": 0.1}),
    ("label-smoothing", {"label_smoothing": 0.1}),
    ("sgd", {"optimizer": Sgd(), "lr": 0.01}),
    ("momentum", {"optimizer": Sgd(momentum=0.9), "lr": 0.01}),
    ("schedule", {"schedule": "step", "epochs": 2, "warmup_epochs": 1, "cosine": True}),
)

BLIND_SPOTS = (
    *(
        _case(name, PLAIN, Dense(784, 16, activation=Relu()), Dense(16, 10), config=replace(CONFIG, **changes))
        for name, changes in _TRAINING
    ),
    _case(
        "weight-decay-convbn",
        NORMED,
        ConvBn(1, 4, 3, 2),
        Flatten(),
        Dense(784, 10),
        config=replace(CONFIG, weight_decay=0.1),
    ),
    # Convolutions without activation double the variance each: what comes out reaches 6 and -3, where bends are.
    _case(
        "bent-activations",
        PLAIN,
        Conv2d(1, 4, 3, 2),
        Conv2d(4, 4, 3),
        Conv2d(4, 4, 3, activation=HardSwish()),
        Conv2d(4, 4, 3),
        Conv2d(4, 4, 3, activation=Relu6()),
        Conv2d(4, 4, 3, activation=HardSigmoid()),
        Flatten(),
        Dense(784, 10),
    ),
    _case(
        "smooth-activations",
        PLAIN,
        Conv2d(1, 4, 3, 2, activation=Gelu()),
        Conv2d(4, 4, 3, activation=Swish()),
        Conv2d(4, 4, 3, activation=Sigmoid()),
        Flatten(),
        Dense(784, 10),
    ),
    _behind_stem("exact-gelu", NORMED, 784, Gelu("none"), Conv2d(4, 4, 3, activation=Gelu("none"))),
    _case("conv-stride2", PLAIN, Conv2d(1, 4, 3, 2, activation=Relu()), Conv2d(4, 4, 5, 2), Flatten(), Dense(196, 10)),
    # 26 pixels hold eleven windows of five at stride 2; one row and column is left over.
    _case(
        "conv-valid",
        PLAIN,
        Conv2d(1, 4, 3, padding="VALID", activation=Relu()),
        Conv2d(4, 4, 5, 2, padding="VALID"),
        Flatten(),
        Dense(484, 10),
    ),
    _case(
        "conv-dilated",
        PLAIN,
        Conv2d(1, 4, 3, 2, activation=Relu()),
        Conv2d(4, 4, 3, dilation=2, activation=Relu()),
        Conv2d(4, 4, (3, 2), (2, 1), "VALID", (2, 3)),
        Flatten(),
        Dense(220, 10),
    ),
    # Two outputs a group of one, one a group of two, and two of four.
    _case(
        "conv-groups",
        PLAIN,
        Conv2d(1, 4, 3, 2, activation=Relu()),
        Conv2d(4, 8, 3, groups=4, activation=Relu()),
        Conv2d(8, 4, 1, groups=4, activation=Relu()),
        Conv2d(4, 4, 3, 2, dilation=2, groups=2),
        Flatten(),
        Dense(196, 10),
    ),
    _behind_stem("conv-oblong", NORMED, 392, Conv2d(4, 4, (1, 7), (1, 2)), Conv2d(4, 4, (7, 1)), Conv2d(4, 4, (2, 3))),
    # At stride 2 the first window of 28 pixels begins outside, with SAME padding inside.
    _case("conv-padded", PLAIN, Conv2d(1, 4, 3, 2, 1), Conv2d(4, 4, (3, 5), 2, (0, 2)), Flatten(), Dense(168, 10)),
    _case("convbn-stride2", NORMED, ConvBn(1, 4, 3, 2), ConvBn(4, 4, 3, 2), Flatten(), Dense(196, 10)),
    _behind_stem("pool-3x3-stride2", POOLED, 196, MaxPool(3, 2)),
    _behind_stem("pool-oblong", POOLED, 140, MaxPool((2, 3), (2, 3))),
    _behind_stem("pool-padded", POOLED, 224, MaxPool(3, 2, 1), MaxPool(2, 1, (1, 0)), MaxPool((1, 2), 1, (0, 1))),
    _behind_stem("avg-pool", NORMED, 196, AvgPool(3, 1), AvgPool(2, 2)),
    _behind_stem("avg-pool-inside", NORMED, 192, AvgPool(3, 1, 1, False), AvgPool((3, 2), 2, (0, 1), False)),
    # With gamma at 0 all of an image is tied, and dgamma tells which of the tied pixels got the gradient. Equal pixels
    # would not do: what makes them equal makes their contributions to every gradient equal.
    _case("pool-ties", POOLED, ConvBnZeroGamma(1, 4, 3, 2, activation=None), MaxPool(3, 2), Flatten(), Dense(196, 10)),
    _behind_stem("zero-gamma", NORMED, 784, ResidualBlock(4, 4, 2, zero_gamma=True)),
    _case("instance-norm", NORMED, Conv2d(1, 4, 3, 2), InstanceNorm(4), Relu(), Flatten(), Dense(784, 10)),
    _case("layer-norm", PLAIN, Dense(784, 16), LayerNorm(16), Relu(), Dense(16, 10)),
    # Each far from the default, and from the variances.
    _case(
        "norm-epsilon",
        NORMED,
        ConvBn(1, 4, 3, 2, epsilon=0.01),
        ConvBn(4, 4, 3),
        DepthwiseBn(4, epsilon=0.1, activation=Relu()),
        InstanceNorm(4, 0.1),
        Flatten(),
        Dense(784, 16),
        LayerNorm(16, 0.1),
        Relu(),
        Dense(16, 10),
    ),
    _case(
        "dropout", PLAIN, Conv2d(1, 4, 3, 2, activation=Relu()), Dropout(0.25), Flatten(), Dropout(0.5), Dense(784, 10)
    ),
    # 28 pixels hold three patches of eight; four rows and columns are left over.
    _case("attention-valid-patch", PLAIN, PatchEmbed(1, 16, 8, 9), TransformerEncoder(16, 4, 32, 2), Dense(16, 10)),
    _case(
        "attention-exact",
        PLAIN,
        PatchEmbed(1, 16, 7, 16),
        TransformerEncoder(16, 2, 32, 2, epsilon=1e-6, approximate="none"),
        Dense(16, 10),
    ),
    _behind_stem("depthwise-dilated", NORMED, 784, DepthwiseBn(4, (3, 5), 1, "SAME", (2, 1), activation=Relu())),
    _behind_stem("depthwise-padded", NORMED, 196, DepthwiseBn(4, 3, 2, 1, activation=Relu())),
    _behind_stem("depthwise-stride2", NORMED, 196, DepthwiseBn(4, 5, 2, activation=Relu())),
    _behind_stem("residual-projection", NORMED, 392, ResidualBlock(4, 6), ResidualBlock(6, 8, 1, 2)),
    _behind_stem(
        "bottleneck-projection", NORMED, 784, BottleneckBlock(8, 12), BottleneckBlock(12, 16, 1, 2), channels=8
    ),
    _behind_stem("separable", NORMED, 392, SeparableConv(4, 6), SeparableConv(6, 8, 2)),
    _behind_stem("inverted-residual", NORMED, 294, InvertedResidual(4, 4, 1), InvertedResidual(4, 6, 2, 2)),
    _behind_stem("mbconv-stride2", NORMED, 294, MbConv(4, 6, 2, 5, 2)),
    _behind_stem("mbconv-no-se", NORMED, 784, MbConv(4, 4, 1, squeeze=False), MbConv(4, 4, 2, squeeze=False)),
    _behind_stem("mbconv-v3-stride2", NORMED, 294, MbConvV3(4, 6, 8, 5, 2, squeeze=True, hard_swish=True)),
    _behind_stem("mbconv-v3-relu", NORMED, 784, MbConvV3(4, 4, 8), MbConvV3(4, 4, 4, squeeze=True)),
    _behind_stem("fused-mbconv-stride2", NORMED, 294, FusedMbConv(4, 6, 2, 3, 2)),
    _behind_stem("fused-mbconv-se", NORMED, 784, FusedMbConv(4, 4, 1), FusedMbConv(4, 4, 2, squeeze=True)),
    _behind_stem("fire", NORMED, 1568, FireModule(4, 2, 4, 4)),
    # Every pre and post of 0, 3, 5; the published case has (3, 5).
    _behind_stem("uib-pre0", NORMED, 784, Uib(4, 4, 2), Uib(4, 4, 2, post=3), Uib(4, 4, 2, post=5)),
    _behind_stem("uib-pre3", NORMED, 784, Uib(4, 4, 2, pre=3), Uib(4, 4, 2, pre=3, post=3)),
    _behind_stem("uib-pre5", NORMED, 784, Uib(4, 4, 2, pre=5), Uib(4, 4, 2, 1, 5, 3), Uib(4, 4, 2, 1, 5, 5)),
    _behind_stem("uib-stride2", NORMED, 32, Uib(4, 6, 2, 2, post=3), Uib(6, 8, 2, 2, 5), Uib(8, 8, 2, 2, 3, 5)),
)

CASES = {case.name: case for case in (*PUBLISHED, *BLIND_SPOTS)}


def find_case(name: str, batch: int | None = None, image_size: int | None = None) -> OracleCase:
    """The case of that name, or the network of `specs` by that name or in that file as verify runs it.

    `batch`: another number of examples a step. `image_size`: another number of pixels a side.

    Raises: SpecError when there is neither, or when it has one size only.
    """
    if is_network_file(name) or name in model_names():
        own = load_model(name)
        model = load_model(name, batch=own.verify_batch if batch is None else batch, image_size=image_size)
        return OracleCase(model.name, model.spec, model.config, tolerance=None, source=model.source)
    if name not in CASES:
        raise SpecError(unknown("case", name, [*CASES, *model_names()]) + " `harness models` lists the networks.")
    if image_size is not None:
        raise SpecError(f"{name}: the case has one image size only. Leave the image size out.")
    return CASES[name] if batch is None else replace(CASES[name], config=replace(CASES[name].config, batch_size=batch))


def find_cases(names: Iterable[str], batch: int | None = None, image_size: int | None = None) -> list[OracleCase]:
    """The cases of those names, all of the table when there are none.

    Raises: SpecError as `find_case`.
    """
    return [find_case(name, batch, image_size) for name in (tuple(dict.fromkeys(names)) or CASES)]
