"""A planted fault: what is wrong, where, what a verdict should call it, and how one side is made wrong."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.jax_builder import JaxBuilder
from harness.explain.part import part_of
from harness.run.inprocess import SHARED, Phase2, Phase3, Side
from harness.spec.netspec import Conventions, DType, Layer, TrainConfig
from harness.spec.rules import Rule, RuleTable, hlo_loss, hlo_optimizer, jax_loss, jax_optimizer
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph, Node
from harness.validation.power.networks import NETWORKS, Feed

FaultClass = Literal["contract", "data", "forward", "backward", "optimizer", "schedule", "numerics"]
Pipeline = Literal["phase2", "phase3"]
# wrap(rule, facts, builder, *values) -> what the rule gives
Wrap = Callable[..., Any]
SIDES: dict[Pipeline, type[Phase2] | type[Phase3]] = {"phase2": Phase2, "phase3": Phase3}


@dataclass(frozen=True)
class Plant:
    """How a side becomes wrong.

    `rules`: what is called in the place of the guilty layer's rule, or of the loss's and the optimizer's, by table.
    `config`, `conventions`: what its program is made for, under a header that states the right ones.
    `made`: what is done to the side afterwards. `feed`: what it is fed instead.
    """

    rules: tuple[tuple[RuleTable, Wrap], ...] = ()
    config: Callable[[TrainConfig], TrainConfig] = lambda config: config
    conventions: Conventions = SHARED
    made: Callable[[Side], None] = lambda side: None
    feed: Callable[[Feed], Feed] = lambda feed: feed


@dataclass(frozen=True)
class Fault:
    """One fault, in every network that has a place for it and on every side that it can be planted on.

    `kind`: its family. `called`: the class that a verdict should give it. `where`: the guilty layer by network; None
    where no layer is to blame. `silent`: for a fault that changes nothing that is trained, why.
    """

    name: str
    kind: str
    called: FaultClass
    where: Mapping[str, str | None]
    plants: Mapping[Pipeline, Plant]
    silent: str = ""

    def make(self, pipeline: Pipeline, network: str, dtype: DType, init_seed: int = DEFAULT_INIT_SEED) -> Side:
        """The wrong side of a network."""
        plant, one = self.plants[pipeline], NETWORKS[network]
        with self.planted(pipeline, network):
            side = SIDES[pipeline](one.graph(), plant.config(one.config), dtype, plant.conventions, init_seed)
        side.config, side.conventions = one.config, SHARED  # what its header states
        plant.made(side)
        return side

    @contextmanager
    def planted(self, pipeline: Pipeline, network: str) -> Iterator[None]:
        """The rules that are wrong, in place of the right ones, while a side is made."""
        graph, plant = NETWORKS[network].graph(), self.plants[pipeline]
        with _replaced(plant, graph, plant.config(NETWORKS[network].config), self.where[network]):
            yield

    def culprits(self, network: str) -> tuple[str, ...]:
        """What is to blame: a layer, or one that is the same piece; `loss`, `optimizer`, or nothing in the network."""
        guilty, nodes = self.where[network], NETWORKS[network].graph().nodes
        if guilty is not None:
            piece = part_of(next(node for node in nodes if node.name == guilty))
            return tuple(node.name for node in nodes if part_of(node) == piece)
        return (
            {"forward": "loss", "backward": "loss", "optimizer": "optimizer", "numerics": "loss"}.get(self.called, ""),
        )


@contextmanager
def _replaced(plant: Plant, graph: Graph, config: TrainConfig, guilty: str | None) -> Iterator[None]:
    """The rules of the plant in place of the right ones; those of a layer for the guilty node alone."""
    with ExitStack() as stack:
        for table, wrap in plant.rules:
            if table in (jax_loss, hlo_loss):
                kind: type = type(graph.spec.loss)
            elif table in (jax_optimizer, hlo_optimizer):
                kind = type(config.optimizer)
            else:
                assert guilty is not None, "a layer's rule needs a guilty layer"
                node = next(node for node in graph.nodes if node.name == guilty)
                kind, wrap = type(node.layer), _at(node, wrap)
            previous = table.replace(kind, functools.partial(wrap, table.of(kind)))
            stack.callback(table.replace, kind, previous)
        yield


def _at(guilty: Node, wrap: Wrap) -> Wrap:
    """`wrap` where the node is the guilty one, in its network or as a piece taken out of it."""
    piece = part_of(guilty)

    def guarded(rule: Rule, layer: Layer, builder: HloBuilder | JaxBuilder, *values: Any) -> Any:
        node = builder.node
        assert node is not None
        spoiled = node.name == guilty.name or (node.name == piece.node.name and part_of(node) == piece)
        return wrap(rule, layer, builder, *values) if spoiled else rule(layer, builder, *values)

    return guarded
