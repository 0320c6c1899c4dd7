"""The networks that late faults are injected into, and the batches of their whole runs, which are of real images.

Four epochs of sixty steps: long enough for epochs to end, rates to fall and losses to sink, and it takes seconds.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from harness.data.dataset import DataSet, read_data, resolve_data
from harness.data.feed import BatchFeed
from harness.nn.cases import find_case
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.run.inprocess import Batch
from harness.spec.netspec import DType, Layer, NetSpec, TrainConfig
from harness.spec.shapes import Graph, infer_shapes

EPOCHS, STEPS_PER_EPOCH = 4, 60
STEPS = EPOCHS * STEPS_PER_EPOCH
TESTED = 1000  # images of the test after training
SIZE = (1, 28, 28)


@dataclass(frozen=True)
class LateNetwork:
    """A network and how it is trained. `shuffle`: its epochs."""

    spec: NetSpec
    config: TrainConfig
    shuffle: bool = False

    def graph(self) -> Graph:
        """The network ready for emission."""
        return infer_shapes(self.spec)


def _network(name: str, config: TrainConfig, *layers: Layer, shuffle: bool = False) -> LateNetwork:
    spec = NetSpec(name=name, dataset="mnist", input_shape=SIZE, classes=10, layers=layers, loss=SoftmaxCrossEntropy())
    return LateNetwork(spec, config, shuffle)


_MLP = find_case("mnist_mlp")
NETWORKS = {
    # At a quarter of its batch, which takes a quarter of the time.
    "mlp": LateNetwork(_MLP.spec, replace(_MLP.config, batch_size=32, epochs=EPOCHS)),
    "cnn": _network(
        "late-cnn",
        TrainConfig(
            lr=0.02,
            batch_size=32,
            epochs=EPOCHS,
            optimizer=Sgd(momentum=0.9),
            weight_decay=1e-3,
            cosine=True,
            schedule="step",
        ),
        ConvBn(1, 8, 3, 2),
        ConvBn(8, 8, 3),
        MaxPool(2, 2),
        Flatten(),
        Dense(392, 10),
        shuffle=True,
    ),
    "attention": _network(
        "late-attention",
        TrainConfig(
            lr=0.001,
            batch_size=32,
            epochs=EPOCHS,
            optimizer=Adam(),
            weight_decay=1e-2,
            cosine=True,
            warmup_epochs=1,
        ),
        PatchEmbed(1, 32, 7, 16),
        TransformerEncoder(32, 4, 64, 1),
        Dropout(0.1),
        Dense(32, 10),
    ),
}


@dataclass(frozen=True)
class LateFeed:
    """The batches of a whole run. `backwards`: each is fed in reverse order, and stated as it should be."""

    source: BatchFeed
    backwards: bool = False

    def stated(self, t: int) -> Batch:
        """The batch of step t, from 1, as it should be."""
        return Batch(*self.source.training(t))

    def batch(self, t: int) -> Batch:
        """The batch of step t, from 1, as it is fed."""
        right = self.stated(t)
        return Batch(right.x[::-1].copy(), right.labels[::-1].copy()) if self.backwards else right

    def test(self, number: int) -> Batch:
        """The first images of the test, and their labels. Shapes: x (number, *input_shape), labels (number,)."""
        return Batch(*self.source.test(np.arange(number)))


def make_feed(network: str, seed: int = 0, backwards: bool = False, dtype: DType = "f32") -> LateFeed:
    """The feed of a network in a precision; another `seed` takes other images of the data set.

    Raises: DataError when the data cannot be read or fetched.
    """
    one = NETWORKS[network]
    data = _data(one.spec.input_shape)
    examples = STEPS_PER_EPOCH * one.config.batch_size
    first = seed * examples % (len(data.train_images) - examples + 1)
    taken = slice(first, first + examples)
    part = replace(data, train_images=data.train_images[taken], train_labels=data.train_labels[taken])
    shape, batch = one.spec.input_shape, one.config.batch_size
    feed = BatchFeed(part, one.spec.dataset, shape, dtype, batch, augmented=False, shuffle=one.shuffle)
    return LateFeed(feed, backwards)


@cache
def _data(shape: tuple[int, ...]) -> DataSet:
    return read_data(resolve_data(None, "mnist", shape).folder, "mnist", shape)
