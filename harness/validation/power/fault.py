"""A fault: its place, the class that a verdict should give it, and how it is injected into one side."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.jax_builder import JaxBuilder
from harness.explain.locate.isolated import isolate
from harness.nn.rules import registered_rules
from harness.run.inprocess import SHARED, Phase2, Phase3, Side
from harness.spec.netspec import Conventions, DType, Layer, TrainConfig
from harness.spec.rules import Rule, Rules
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Node
from harness.validation.power.networks import NETWORKS, Feed

# numerics: the mathematics agree in f64. training: only the test after the training shows it.
FaultClass = Literal["contract", "data", "forward", "backward", "optimizer", "schedule", "numerics", "training"]
Pipeline = Literal["phase2", "phase3"]
# wrap(rule, facts, builder, *values) -> what the rule gives
Wrap = Callable[..., Any]
SIDES: dict[Pipeline, type[Phase2] | type[Phase3]] = {"phase2": Phase2, "phase3": Phase3}


def _as_it_is(config: TrainConfig) -> TrainConfig:
    return config


def _left_alone(side: Side) -> None:
    pass


@dataclass(frozen=True)
class Injection:
    """The changes that mutate a side.

    `rules`: what is called in the place of the guilty layer's rule, or of the loss's and the optimizer's, by table; in
    a network without a guilty layer, of every layer's.
    `config`, `conventions`: what its program is made for, under a header that states the original ones.
    `made`: what is done to the side afterwards. `feed`: the feed that it gets instead. `right_digests`: its recording
    has the digests of the batches that it should have been fed, as that of a program that spoils them after reading.
    """

    rules: Mapping[str, Wrap] = field(default_factory=dict)
    config: Callable[[TrainConfig], TrainConfig] = _as_it_is
    conventions: Conventions = SHARED
    made: Callable[[Side], None] = _left_alone
    feed: Callable[[Feed], Feed] = lambda feed: feed
    right_digests: bool = False

    @property
    def of_feed_only(self) -> bool:
        """True when the side's program is the right one."""
        made = (self.config, self.made) != (_as_it_is, _left_alone)
        return not (self.rules or made or self.conventions != SHARED)


@dataclass(frozen=True)
class Fault:
    """One fault, in every network that has a place for it and on every side that it can be injected into.

    `kind`: its family. `called`: the class that a verdict should give it. `where`: the guilty layer by network; None
    where no layer is to blame. `silent`: for a fault that changes nothing that is trained, why.
    """

    name: str
    kind: str
    called: FaultClass
    where: Mapping[str, str | None]
    injections: Mapping[Pipeline, Injection]
    silent: str = ""

    def make(self, pipeline: Pipeline, network: str, dtype: DType, init_seed: int = DEFAULT_INIT_SEED) -> Side:
        """The mutated side of a network."""
        injection, one, rules = self.injections[pipeline], NETWORKS[network], self.rules(pipeline, network)
        config = injection.config(one.config)
        side = SIDES[pipeline](one.graph(), config, dtype, injection.conventions, init_seed, rules=rules)
        side.config, side.conventions = one.config, SHARED  # what its header states
        injection.made(side)
        return side

    def rules(self, pipeline: Pipeline, network: str) -> Rules:
        """The registered rules with the mutated ones in their place; those of a guilty layer at its node only."""
        injection, graph, rules = self.injections[pipeline], NETWORKS[network].graph(), registered_rules()
        guilty = next((node for node in graph.nodes if node.name == self.where[network]), None)
        mutated: dict[str, dict[type, Rule]] = {}
        for table, wrap in injection.rules.items():
            if table.endswith("_loss"):
                kinds: set[type] = {type(graph.spec.loss)}
            elif table.endswith("_optimizer"):
                kinds = {type(injection.config(NETWORKS[network].config).optimizer)}
            elif guilty is not None:
                kinds, wrap = {type(guilty.layer)}, _at(guilty, wrap)
            else:
                kinds = {type(node.layer) for node in graph.nodes}
            mutated[table] = {kind: functools.partial(wrap, getattr(rules, table).of(kind)) for kind in kinds}
        return rules.replace(**mutated)

    def culprits(self, network: str) -> tuple[str, ...]:
        """The culprits: a layer and those that are the same piece; `loss`, `optimizer`, or nothing in the network."""
        guilty, nodes = self.where[network], NETWORKS[network].graph().nodes
        if guilty is not None:
            piece = isolate(next(node for node in nodes if node.name == guilty))
            return tuple(node.name for node in nodes if isolate(node) == piece)
        return (
            {"forward": "loss", "backward": "loss", "optimizer": "optimizer", "numerics": "loss"}.get(self.called, ""),
        )


def _at(guilty: Node, wrap: Wrap) -> Wrap:
    """`wrap` where the node is the guilty one, in its network or as a piece taken out of it."""
    piece = isolate(guilty)

    def guarded(rule: Rule, layer: Layer, builder: HloBuilder | JaxBuilder, *values: Any) -> Any:
        node = builder.node
        assert node is not None
        mutated = node.name == guilty.name or (node.name == piece.node.name and isolate(node) == piece)
        return wrap(rule, layer, builder, *values) if mutated else rule(layer, builder, *values)

    return guarded
