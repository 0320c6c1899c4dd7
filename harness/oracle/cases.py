"""The table of cases: what the published table checks, and what it cannot see."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import SpecError
from harness.layers.bottleneck_block import BottleneckBlock
from harness.layers.conv2d import Conv2d
from harness.layers.conv_bn import ConvBn
from harness.layers.dense import Dense
from harness.layers.depthwise_bn import DepthwiseBn
from harness.layers.fire_module import FireModule
from harness.layers.flatten import Flatten
from harness.layers.fused_mb_conv import FusedMbConv
from harness.layers.gelu import Gelu
from harness.layers.global_avg_pool import GlobalAvgPool
from harness.layers.hard_sigmoid import HardSigmoid
from harness.layers.hard_swish import HardSwish
from harness.layers.inverted_residual import InvertedResidual
from harness.layers.max_pool import MaxPool
from harness.layers.mb_conv import MbConv
from harness.layers.mb_conv_v3 import MbConvV3
from harness.layers.relu import Relu
from harness.layers.relu6 import Relu6
from harness.layers.residual_block import ResidualBlock
from harness.layers.separable_conv import SeparableConv
from harness.layers.sigmoid import Sigmoid
from harness.layers.swish import Swish
from harness.layers.uib import Uib
from harness.losses import SoftmaxCrossEntropy
from harness.models import load_model, model_names
from harness.optimizers import Adam, Sgd
from harness.shapes import Graph, infer_shapes
from harness.spec import Layer, NetSpec, TrainConfig

CONFIG = TrainConfig(lr=0.001, batch_size=4, epochs=1, optimizer=Adam())
# Differences of the loss in f32 that the published table allows: without and with batch norm, and with a pool, where a
# maximum may move.
PLAIN, NORMED, POOLED = 1e-5, 1e-4, 1e-3


@dataclass(frozen=True)
class Case:
    """A network and how it is trained. `tolerance`: of the f32 losses, None where there is no such figure.

    `params`: the published number of parameters, None where there is none. `published`: a row of the published table.
    """

    name: str
    spec: NetSpec
    config: TrainConfig
    tolerance: float | None
    params: int | None = None
    published: bool = False

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


def _published(name: str, params: int, tolerance: float, *layers: Layer) -> Case:
    return Case(name, _spec(name, *layers), CONFIG, tolerance, params, published=True)


def _case(name: str, tolerance: float, *layers: Layer, config: TrainConfig = CONFIG) -> Case:
    return Case(name, _spec(name, *layers), config, tolerance)


def _behind_stem(name: str, tolerance: float, block: Layer, features: int, channels: int = 4) -> Case:
    """A block behind a convolution that leaves 14x14 pixels of so many channels; `features` come out of it."""
    return _case(name, tolerance, ConvBn(1, channels, 3, 2), block, Flatten(), Dense(features, 10))


_STEM = ConvBn(1, 4)

PUBLISHED = (
    _published("dense", 7_850, PLAIN, Dense(784, 10)),
    _published("dense-relu", 50_890, PLAIN, Dense(784, 64, activation=Relu()), Dense(64, 10)),
    _published("conv", 31_410, PLAIN, Conv2d(1, 4, 3), Flatten(), Dense(3136, 10)),
    _published("convbn", 31_414, NORMED, _STEM, Flatten(), Dense(3136, 10)),
    _published("conv-pool", 7_890, POOLED, Conv2d(1, 4, 3), MaxPool(2, 2), Flatten(), Dense(784, 10)),
    _published("residual", 31_718, PLAIN, _STEM, ResidualBlock(4, 4), Flatten(), Dense(3136, 10)),
    _published("depthwise", 31_590, NORMED, _STEM, InvertedResidual(4, 4, 2), Flatten(), Dense(3136, 10)),
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
_ACTIVATIONS = (Relu6(), Sigmoid(), Swish(), HardSigmoid(), HardSwish(), Gelu())

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
    *(
        _case(
            a.kind.replace("_", "-"),
            PLAIN,
            Conv2d(1, 4, 3, 2),
            Conv2d(4, 4, 3),
            Conv2d(4, 4, 3, activation=a),
            Flatten(),
            Dense(784, 10),
        )
        for a in _ACTIVATIONS
    ),
    _case("conv-stride2", PLAIN, Conv2d(1, 4, 3, 2, activation=Relu()), Flatten(), Dense(784, 10)),
    _case("conv-valid", PLAIN, Conv2d(1, 4, 3, padding="VALID", activation=Relu()), Flatten(), Dense(2704, 10)),
    # 28 pixels hold twelve windows of five at stride 2; one row and column is left over.
    _case("conv-valid-stride2", PLAIN, Conv2d(1, 4, 5, 2, padding="VALID"), Flatten(), Dense(576, 10)),
    _case("convbn-stride2", NORMED, ConvBn(1, 4, 3, 2), ConvBn(4, 4, 3, 2), Flatten(), Dense(196, 10)),
    _behind_stem("pool-3x3-stride2", POOLED, MaxPool(3, 2), 196),
    _behind_stem("depthwise-stride2", NORMED, DepthwiseBn(4, 3, 2, activation=Relu()), 196),
    _behind_stem("residual-stride2", NORMED, ResidualBlock(4, 8, 2, 2), 392),
    _behind_stem("residual-projection", NORMED, ResidualBlock(4, 6), 1176),
    _behind_stem("bottleneck-stride2", NORMED, BottleneckBlock(8, 16, 2, 2), 784, 8),
    _behind_stem("bottleneck-projection", NORMED, BottleneckBlock(8, 12), 2352, 8),
    _behind_stem("separable", NORMED, SeparableConv(4, 6), 1176),
    _behind_stem("separable-stride2", NORMED, SeparableConv(4, 6, 2), 294),
    _behind_stem("inverted-stride2", NORMED, InvertedResidual(4, 6, 2, 2), 294),
    _behind_stem("inverted-expand1", NORMED, InvertedResidual(4, 4, 1), 784),
    _behind_stem("mbconv-stride2", NORMED, MbConv(4, 6, 2, 5, 2), 294),
    _behind_stem("mbconv-expand1", NORMED, MbConv(4, 4, 1), 784),
    _behind_stem("mbconv-no-se", NORMED, MbConv(4, 4, 2, squeeze=False), 784),
    _behind_stem("mbconv-v3-stride2", NORMED, MbConvV3(4, 6, 8, 5, 2, squeeze=True, hard_swish=True), 294),
    _behind_stem("mbconv-v3-no-se-relu", NORMED, MbConvV3(4, 4, 8), 784),
    _behind_stem("mbconv-v3-same-width", NORMED, MbConvV3(4, 4, 4, squeeze=True), 784),
    _behind_stem("fused-mbconv-stride2", NORMED, FusedMbConv(4, 6, 2, 3, 2), 294),
    _behind_stem("fused-mbconv-expand1", NORMED, FusedMbConv(4, 4, 1), 784),
    _behind_stem("fused-mbconv-se", NORMED, FusedMbConv(4, 4, 2, squeeze=True), 784),
    _behind_stem("fire", NORMED, FireModule(4, 2, 4, 4), 1568),
    *(
        _behind_stem(f"uib-{pre}-{post}", NORMED, Uib(4, 4, 2, 1, pre, post), 784)
        for pre, post in itertools.product((0, 3, 5), repeat=2)
        if (pre, post) != (3, 5)
    ),
    *(
        _behind_stem(f"uib-{pre}-{post}-stride2", NORMED, Uib(4, 6, 2, 2, pre, post), 294)
        for pre, post in ((0, 3), (5, 0), (3, 5))
    ),
)

CASES = {case.name: case for case in (*PUBLISHED, *BLIND_SPOTS)}


def find_case(name: str, batch: int | None = None) -> Case:
    """The case of that name, or the network of `specs` by that name with its own configuration.

    `batch`: another batch size than the configuration's.

    Raises: SpecError when there is neither.
    """
    if name in CASES:
        case = CASES[name]
    elif name in model_names():
        model = load_model(name)
        case = Case(name, model.spec, model.config, tolerance=None)
    else:
        raise SpecError(
            f"unknown case '{name}'; known are {', '.join(CASES)}, and the networks that `harness models` lists."
        )
    return case if batch is None else replace(case, config=replace(case.config, batch_size=batch))


def find_cases(names: Iterable[str], batch: int | None = None) -> list[Case]:
    """The cases of those names, all of the table when there are none.

    Raises: SpecError for an unknown one.
    """
    return [find_case(name, batch) for name in (tuple(dict.fromkeys(names)) or CASES)]
