"""Networks small enough that an envelope of theirs is a matter of seconds."""

import numpy as np

from harness.data.initial_parameters import initial_parameters
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.relu import Relu
from harness.run.inprocess import FirstBatches
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.verdict.envelope.members import Members
from tests.support.networks import network
from tests.support.programs import drawn

STEPS = 8
GRAPH = infer_shapes(network((6,), Dense(6, 8, activation=Relu()), Dense(8, 4)))
IMAGES = infer_shapes(network((2, 6, 6), ConvBn(2, 3), Flatten(), Dense(108, 4)))


def members(graph: Graph, train: TrainConfig, steps: int) -> Members:
    batches, steps_per_epoch = drawn(graph, train, "f32", steps)
    return Members(graph, train, FirstBatches(tuple(batches), steps_per_epoch, "drawn", "0" * 64))


def initial(graph: Graph) -> np.ndarray:
    return np.concatenate([p.ravel() for p in initial_parameters(graph.params)])
