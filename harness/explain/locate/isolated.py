"""The pieces of a training step, each run in isolation: layers forward and backward, the loss, the update."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.run.inprocess import SHARED, Array, Tensors
from harness.spec.netspec import Conventions, DType, Layer, Shape, TrainConfig
from harness.spec.shapes import Graph, Node


@dataclass(frozen=True)
class IsolatedLayer:
    """A layer without its network: nodes that differ by name only have the same. Shapes: without the batch."""

    layer: Layer
    in_shapes: tuple[Shape, ...]
    out_shape: Shape

    @property
    def node(self) -> Node:
        """The layer as the one node of a network: `layer`, reading x1, x2, …."""
        inputs = tuple(f"x{i}" for i in range(1, len(self.in_shapes) + 1))
        return Node("layer", "layer", self.layer, inputs, self.in_shapes, self.out_shape)

    @property
    def params(self) -> tuple[str, ...]:
        """Names of its parameters, as the node has them: `layer.w`."""
        return tuple(f"layer.{p.name}" for p in self.layer.params())


def isolate(node: Node) -> IsolatedLayer:
    """The layer of a node, without its network."""
    return IsolatedLayer(replace(node.layer.settled(node.name), name=""), node.in_shapes, node.out_shape)


def full_names(scope: str, layer: IsolatedLayer) -> list[str]:
    """The names that a layer's parameters have in a network."""
    return [name.replace("layer", scope, 1) for name in layer.params]


def layer_parameters(scope: str, layer: IsolatedLayer, params: Tensors) -> Tensors:
    """The layer's parameters out of those of the network, under the names that the layer has for them."""
    return {name: params[full] for name, full in zip(layer.params, full_names(scope, layer), strict=True)}


def to_channels_last(x: Array) -> Array:
    """A batch of network inputs as layers get it. Shapes: (B, C, H, W) becomes (B, H, W, C), others stay."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x


class IsolatedPieces(ABC):
    """One implementation of every piece of a network. A layer's parameters are called `layer.w`.

    Shapes: x (B, *input), y (B, *output), of the same batch throughout, images NHWC. t is the step, from 1.
    """

    def __init__(self, graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions = SHARED) -> None:
        self.graph, self.config, self.dtype, self.conventions = graph, config, dtype, conventions
        self.layers = {node.name: isolate(node) for node in graph.nodes}

    @property
    def kind(self) -> type[np.floating]:
        """The numpy type of all tensors."""
        return np.float32 if self.dtype == "f32" else np.float64

    @abstractmethod
    def forward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """The output of a layer."""

    @abstractmethod
    def backward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """The cotangents of a layer's inputs, then those of its parameters."""

    @abstractmethod
    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The loss (), and its gradient w.r.t. the logits. Shapes: logits (B, classes), labels (B,)."""

    @abstractmethod
    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """Parameters and optimizer slots (`conv1.w.m`) after an update."""


class EmittedPieces(IsolatedPieces):
    """The pieces of one side, which are programs."""

    @abstractmethod
    def program(self, kind: str, layer: IsolatedLayer | None, params: Sequence[str]) -> str:
        """One piece as a program of its own: a layer forward or backward, the loss, the update of one parameter."""
