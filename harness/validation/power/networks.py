"""The networks that faults are injected into: small, together with every kind of layer and training that a fault needs.

They train for four epochs of two steps and a remainder: as many steps as a trace has norms by default, and within the
three that run in f64 too an epoch ends, images are left out and the learning rate changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.batches import BatchOrder, Indices, Labels, pixels
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn, ConvBnZeroGamma
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.mb_conv import MbConv
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.swish import Swish
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.run.inprocess import Batch, Side
from harness.spec.netspec import Layer, NetSpec, Optimizer, Shape, TrainConfig
from harness.spec.shapes import Graph, infer_shapes

STEPS = 8
LEFT_OVER = 3  # images of an epoch that make no batch
TESTED = 1000  # images of the test after training
Rate = Callable[[Side, int, int], np.float32]


@dataclass(frozen=True)
class Network:
    """A network and how it is trained. `shuffle`: its epochs; `blank`: the first image of its data is all zeros."""

    spec: NetSpec
    config: TrainConfig
    shuffle: bool = False
    blank: bool = False

    def graph(self) -> Graph:
        """The network ready for emission."""
        return infer_shapes(self.spec)


@dataclass(frozen=True)
class Feed:
    """The feed of a side, from the data to the rows of every step; a fault may change any of it.

    `images`, `labels`: the data. `image_rows`, `label_rows`: of each step. `rate`: the learning rate that a side is
    given at a step of so many an epoch. `test_images`: of the test after training. `read_test`: what the side reads for
    their labels.

    Shapes: images (n, *input_shape) f32, labels (n,) i32, rows (B,), test_images (TESTED, *input_shape) f32.
    """

    images: npt.NDArray[np.float32]
    labels: Labels
    image_rows: tuple[Indices, ...]
    label_rows: tuple[Indices, ...]
    steps_per_epoch: int
    test_images: npt.NDArray[np.float32]
    rate: Rate = lambda side, t, steps_per_epoch: side.learning_rate(t, steps_per_epoch)
    read_test: Callable[[Labels], Labels] = lambda labels: labels

    def first(self, steps: int) -> "Feed":
        """The feed of only the first steps."""
        return replace(self, image_rows=self.image_rows[:steps], label_rows=self.label_rows[:steps])

    def batches(self, side: Side) -> list[Batch]:
        """One a step, in the side's dtype."""
        pairs = zip(self.image_rows, self.label_rows, strict=True)
        return [Batch(self.images[rows].astype(side.kind), self.labels[named]) for rows, named in pairs]

    def rates(self, side: Side) -> list[np.float32]:
        """One a step."""
        return [self.rate(side, t, self.steps_per_epoch) for t in range(1, len(self.image_rows) + 1)]


@cache
def draw_feed(network: str, seed: int = 0) -> Feed:
    """Drawn images and labels in the order of the network's training; another `seed` draws others."""
    one = NETWORKS[network]
    rng = np.random.default_rng(seed)
    batch = one.config.batch_size
    n = 2 * batch + LEFT_OVER
    images = _draw_images(rng, n, one.spec.input_shape)
    if one.blank:
        images[0] = 0
    labels = rng.integers(0, one.spec.classes, n).astype(np.int32)
    order = BatchOrder(n, batch, one.shuffle)
    rows = tuple(order.batch_indices(step) for step in range(1, STEPS + 1))
    return Feed(images, labels, rows, rows, order.steps_per_epoch, _draw_images(rng, TESTED, one.spec.input_shape))


def _draw_images(rng: np.random.Generator, n: int, shape: Shape) -> npt.NDArray[np.float32]:
    return pixels(rng.integers(0, 256, (n, *shape)).astype(np.uint8), "f32").astype(np.float32)


def _network(
    name: str,
    shape: Shape,
    optimizer: Optimizer,
    *layers: Layer,
    shuffle: bool = False,
    blank: bool = False,
    **config: Any,
) -> Network:
    spec = NetSpec(name=name, dataset="mnist", input_shape=shape, classes=10, layers=layers, loss=SoftmaxCrossEntropy())
    base = TrainConfig(lr=0.002, batch_size=4, epochs=4, optimizer=optimizer, weight_decay=0.01)
    return Network(spec, replace(base, **config), shuffle, blank)


NETWORKS = {
    # As many inputs as outputs, so that a transposed weight fits; the cosine begins within three steps. On a blank
    # image the first ReLU is at zero, where its derivative jumps.
    "mlp": _network(
        "power-mlp",
        (32,),
        Adam(),
        Dense(32, 16, activation=Relu()),
        Dense(16, 16, activation=Swish()),
        Dense(16, 16, activation=Gelu()),
        Dense(16, 10),
        blank=True,
        lr=0.00234567,
        cosine=True,
        schedule="step",
    ),
    # An even size at stride 2, where SAME pads more above than below; a bias, a pool whose windows overlap.
    "cnn": _network(
        "power-cnn",
        (1, 12, 12),
        Sgd(momentum=0.9),
        ConvBn(1, 4, 3, 2),
        Conv2d(4, 4, 3, activation=Relu()),
        MaxPool(3, 2),
        Flatten(),
        Dense(36, 10),
        shuffle=True,
        lr=0.05,
        cosine=True,
        warmup_epochs=1,
    ),
    # With gamma at 0 all of an image is tied at first.
    "ties": _network(
        "power-ties",
        (1, 12, 12),
        Adam(),
        ConvBnZeroGamma(1, 4, 3, 2, activation=None),
        MaxPool(2, 2),
        Flatten(),
        Dense(36, 10),
    ),
    "residual": _network(
        "power-residual",
        (1, 8, 8),
        Adam(),
        ConvBn(1, 4, 3, 2),
        ResidualBlock(4, 4),
        GlobalAvgPool(),
        Dense(4, 10),
        shuffle=True,
        warmup_epochs=2,
        label_smoothing=0.1,
    ),
    "attention": _network(
        "power-attention",
        (1, 8, 8),
        Adam(),
        PatchEmbed(1, 16, 4, 4),
        TransformerEncoder(16, 2, 32, 1),
        Dense(16, 10),
        cosine=True,
        warmup_epochs=2,
    ),
    "mobile": _network(
        "power-mobile",
        (1, 8, 8),
        Sgd(),
        Conv2d(1, 4, 3),
        InstanceNorm(4),
        MbConv(4, 4, 2, 3, 1),
        GlobalAvgPool(),
        Dense(4, 10),
        lr=0.05,
        cosine=True,
    ),
    # Images of several channels, and a layer that evaluation leaves out.
    "colour": _network(
        "power-colour",
        (3, 8, 8),
        Adam(),
        Conv2d(3, 4, 3, activation=Relu()),
        Flatten(),
        Dropout(0.25),
        Dense(256, 10),
    ),
}
