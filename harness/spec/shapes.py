"""Walks a NetSpec: its layers expand into a graph of nodes, with the parameter table and every activation's shape."""

from dataclasses import dataclass

from harness.errors import SpecError
from harness.spec.netspec import Layer, NetSpec, Param, Shape, State


@dataclass(frozen=True)
class Node:
    """One use of a layer that has rules. `name` is unique; parameters are called `scope.param`.

    `inputs` are the names of the nodes whose outputs it reads ("x": the network's input).
    """

    name: str
    scope: str
    layer: Layer
    inputs: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    out_shape: Shape


@dataclass(frozen=True)
class Graph:
    """A network ready for emission. Nodes are in an order in which every input comes first.

    Shapes: without the batch dimension.
    """

    spec: NetSpec
    nodes: tuple[Node, ...]
    params: tuple[Param, ...]
    states: tuple[State, ...]

    @property
    def output(self) -> str:
        """Name of the node that gives the logits."""
        return self.nodes[-1].name

    @property
    def total_params(self) -> int:
        """Number of trainable scalars."""
        return sum(size(param.shape) for param in self.params)


class _Scope:
    """Where one layer of a network adds its nodes; a nested layer gets one with a longer scope."""

    def __init__(self, walk: "_Walk", scope: str) -> None:
        self._walk = walk
        self.scope = scope

    def add(self, layer: Layer, *inputs: str, name: str = "") -> str:
        """Add one node and return its name."""
        return self._walk.add(layer, self.scope, inputs, name)

    def nest(self, layer: Layer, x: str, name: str) -> str:
        """Expand `layer` in a scope of its own, `scope.name`, and return the name of its last node."""
        return layer.expand(_Scope(self._walk, f"{self.scope}.{name}"), x)

    def shape(self, name: str) -> Shape:
        """Shape of a value added before, without the batch."""
        return self._walk.shapes[name]


class _Walk:
    def __init__(self, spec: NetSpec) -> None:
        self.spec = spec
        self.shapes: dict[str, Shape] = {"x": spec.input_shape}
        self.nodes: list[Node] = []
        self.params: list[Param] = []
        self.states: list[State] = []

    def add(self, layer: Layer, scope: str, inputs: tuple[str, ...], name: str) -> str:
        layer.validate()
        in_shapes = tuple(self.shapes[x] for x in inputs)
        name = f"{scope}.{name}" if name else scope if scope not in self.shapes else f"{scope}.{layer.kind}"
        if name in self.shapes:
            raise SpecError(f"two nodes are called '{name}'. Nest one of them under a name of its own.")
        out = layer.out_shape(*in_shapes)
        self.params += [Param(f"{scope}.{p.name}", p.shape, p.init, p.fan_in, p.decays) for p in layer.params()]
        self.states += [State(f"{scope}.{s.name}", s.shape) for s in layer.states()]
        self.shapes[name] = out
        self.nodes.append(Node(name, scope, layer, inputs, in_shapes, out))
        return name


def infer_shapes(spec: NetSpec) -> Graph:
    """Expand every layer and check that it fits the one before.

    Raises: SpecError naming the network, the layer and what to change.
    """
    walk = _Walk(spec)
    x = "x"
    for position, layer in enumerate(spec.layers, 1):
        try:
            x = layer.expand(_Scope(walk, layer.name), x)
        except SpecError as error:
            hint = f" Change it or '{spec.layers[position - 2].name}'." if position > 1 else ""
            raise SpecError(f"{spec.name}, layer {position} '{layer.name}': {error}{hint}") from None
    if walk.shapes[x] != (spec.classes,):
        found = "x".join(map(str, walk.shapes[x]))
        raise SpecError(
            f"{spec.name}, layer {len(spec.layers)} '{spec.layers[-1].name}': the output has shape {found}, "
            f"the loss needs {spec.classes} logits. End with a dense layer of {spec.classes} units."
        )
    names = [p.name for p in walk.params] + [s.name for s in walk.states]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{spec.name}: two tensors are called '{name}'. Nest one of their layers.")
    return Graph(spec, tuple(walk.nodes), tuple(walk.params), tuple(walk.states))


def size(shape: Shape) -> int:
    """Number of elements."""
    count = 1
    for n in shape:
        count *= n
    return count


def dims(shape: Shape) -> str:
    """A shape as people write it: 32x28x28."""
    return "x".join(map(str, shape))


def inner(batch: int, shape: Shape) -> Shape:
    """The shape of a batch of values between layers, where images are NHWC."""
    return (batch, *shape[1:], shape[0]) if len(shape) == 3 else (batch, *shape)
