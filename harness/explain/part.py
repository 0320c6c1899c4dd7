"""A layer taken out of its network, to be run alone."""

from dataclasses import dataclass, replace

from harness.spec.netspec import Layer, Shape
from harness.spec.shapes import Node


@dataclass(frozen=True)
class Part:
    """What nodes that differ by name only have in common. Shapes: of its inputs, without the batch."""

    layer: Layer
    in_shapes: tuple[Shape, ...]
    out_shape: Shape

    @property
    def node(self) -> Node:
        """The part as the one node of a network: `layer`, reading x1, x2, …."""
        inputs = tuple(f"x{i}" for i in range(1, len(self.in_shapes) + 1))
        return Node("layer", "layer", self.layer, inputs, self.in_shapes, self.out_shape)

    @property
    def params(self) -> tuple[str, ...]:
        """Names of its parameters, as the node has them."""
        return tuple(f"layer.{p.name}" for p in self.layer.params())


def part_of(node: Node) -> Part:
    """The part that a node of a network is."""
    return Part(replace(node.layer.settled(node.name), name=""), node.in_shapes, node.out_shape)
