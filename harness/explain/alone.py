"""The pieces of a training step, each run alone: layers forward and backward, the loss, the update."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from harness.explain.part import Part, part_of
from harness.run.inprocess import SHARED, Array, Tensors
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.shapes import Graph


class Alone(ABC):
    """One meaning of every piece of a network. Images are NHWC, a part's parameters are called `layer.w`.

    Shapes: x (B, *input), y (B, *output), of the same batch throughout; t is the step, from 1.
    """

    def __init__(self, graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions = SHARED) -> None:
        self.graph, self.config, self.dtype, self.conventions = graph, config, dtype, conventions
        self.parts = {node.name: part_of(node) for node in graph.nodes}

    @property
    def kind(self) -> type[np.floating]:
        """The numpy type of all tensors."""
        return np.float32 if self.dtype == "f32" else np.float64

    @abstractmethod
    def forward(self, part: Part, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """The output of a layer."""

    @abstractmethod
    def backward(self, part: Part, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """The cotangents of a layer's inputs, then those of its parameters."""

    @abstractmethod
    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The loss, and its gradient by the logits."""

    @abstractmethod
    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """Parameters and optimizer slots (`conv1.w.m`) after an update."""


class Emitted(Alone):
    """A side's pieces, which are programs."""

    @abstractmethod
    def program(self, kind: str, part: Part | None, params: Sequence[str]) -> str:
        """One piece as a program of its own: a layer forward or backward, the loss, the update of one parameter."""


def to_inner(x: Array) -> Array:
    """A batch of network inputs as layers see it: NCHW images as NHWC."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x


def names_in(scope: str, part: Part) -> list[str]:
    """The full names of a part's parameters in a network."""
    return [name.replace("layer", scope, 1) for name in part.params]


def own(scope: str, part: Part, params: Tensors) -> Tensors:
    """A part's parameters out of those of the network, as the part calls them."""
    return {name: params[full] for name, full in zip(part.params, names_in(scope, part), strict=True)}
