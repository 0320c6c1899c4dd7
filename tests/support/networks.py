"""Small networks on drawn numbers, and the configuration that they are trained with."""

import dataclasses

from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.spec.netspec import Layer, NetSpec, Shape, TrainConfig


def network(shape: Shape, *layers: Layer) -> NetSpec:
    return NetSpec(name="net", dataset="mnist", input_shape=shape, classes=4, layers=layers, loss=SoftmaxCrossEntropy())


def config(**changes: object) -> TrainConfig:
    base = TrainConfig(lr=0.01, batch_size=4, epochs=2, optimizer=Adam(), weight_decay=0.1)
    return dataclasses.replace(base, **changes)
