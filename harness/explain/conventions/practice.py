"""What a trial of phase 2 trains by, and what a switch changes: the script, batches, gradients, rates."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.nn.rules import registered_rules
from harness.run.inprocess import Array, Batch, Phase2
from harness.spec.netspec import Conventions, DType, NetSpec, TrainConfig
from harness.spec.rules import Rules
from harness.spec.shapes import Graph

# edit(script): gives the emitted script other constants or functions, before anything of it is compiled.
Edit = Callable[[Any], None]
# feed(batch, spec) -> the batch that is trained on
Feed = Callable[[Batch, NetSpec], Batch]
Tensors = dict[str, Array]
# change(grads, facts) -> the gradients that are recorded and go into the update
GradientChange = Callable[[Tensors, "GradientFacts"], Tensors]


@dataclass(frozen=True)
class GradientFacts:
    """What changed gradients may depend on. `params`: before the update. `decay`: by the name of what decays."""

    params: Tensors
    batch_size: int
    decay: dict[str, np.floating]


@dataclass(frozen=True)
class Practice:
    """Everything that decides what phase 2 computes from a start.

    `shift`: how many steps later the rate of a step is applied; before the first it is 0. `first_statistics`: what
    running statistics of that name start from, 0 where nothing is given.
    """

    config: TrainConfig
    conventions: Conventions = field(default_factory=Conventions)
    rules: Rules = field(default_factory=registered_rules)
    edits: tuple[Edit, ...] = ()
    feeds: tuple[Feed, ...] = ()
    gradients: tuple[GradientChange, ...] = ()
    shift: int = 0
    first_statistics: dict[str, float] = field(default_factory=dict)

    def side(self, graph: Graph, dtype: DType) -> Phase2:
        """Phase 2 by this practice, its script edited."""
        side = Phase2(graph, self.config, dtype, self.conventions, rules=self.rules)
        for edit in self.edits:
            edit(side.script)
        return side

    def fed(self, batch: Batch, spec: NetSpec) -> Batch:
        """The batch that is trained on. Shapes: as the batch's."""
        for feed in self.feeds:
            batch = feed(batch, spec)
        return batch

    def rate(self, side: Phase2, t: int, steps_per_epoch: int) -> np.float32:
        """The learning rate applied at step t, from 1."""
        own = t - self.shift
        return side.learning_rate(own, steps_per_epoch) if own >= 1 else np.float32(0)

    @property
    def common(self) -> bool:
        """True when configuration and conventions say all of it, so that phase 3 can train by it too."""
        return self == Practice(self.config, self.conventions)


Change = Callable[[Practice], Practice]


def convention(name: str, value: Any) -> Change:
    """The change of a convention."""
    return lambda p: replace(p, conventions=replace(p.conventions, **{name: value}))


def setting(name: str, value: Any) -> Change:
    """The change of a field of the training configuration."""
    return lambda p: replace(p, config=replace(p.config, **{name: value}))


def of_optimizer(**values: float) -> Change:
    """The change of fields of the optimizer."""
    return lambda p: replace(p, config=replace(p.config, optimizer=replace(p.config.optimizer, **values)))


def constant(name: str, value: float) -> Change:
    """The change of a number that the script states at its top, also of those that have a number behind its name."""

    def edit(script: Any) -> None:
        for stated in [one for one in vars(script) if re.fullmatch(rf"{name}(_\d+)?", one)]:
            setattr(script, stated, value)

    return edited(edit)


def replaced(**fields: Any) -> Change:
    """Other fields of the practice."""
    return lambda p: replace(p, **fields)


def edited(edit: Edit) -> Change:
    """A change of the emitted script."""
    return lambda p: replace(p, edits=(*p.edits, edit))


def fed_with(feed: Feed) -> Change:
    """A change of every batch."""
    return lambda p: replace(p, feeds=(*p.feeds, feed))


def recorded_gradients(change: GradientChange) -> Change:
    """A change of the gradients, before they are recorded."""
    return lambda p: replace(p, gradients=(*p.gradients, change))


def emitted_by(**tables: dict[type, Any]) -> Change:
    """A change of some rules that the script is emitted by."""
    return lambda p: replace(p, rules=p.rules.replace(**tables))


def in_turn(changes: Iterable[Change], practice: Practice) -> Practice:
    """The practice after all of them."""
    for change in changes:
        practice = change(practice)
    return practice
