"""Switches: what a search for conventions tries, alone and together, and the words for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness.explain.conventions.practice import Change, Practice, in_turn
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph

# Of a training step, the part that a switch is in; evaluation is not searched, since a trace has none.
Stage = Literal["data", "forward", "statistics", "backward", "optimizer", "schedule"]
# Of a trial, what a switch changes: functions of the script, to be compiled again, or what goes between them.
Part = Literal["network", "update", "batch", "gradients", "rate"]
Concerns = Callable[[Graph, TrainConfig], bool]


@dataclass(frozen=True)
class Switch:
    """One choice that is not the default.

    `name`: of the choice; of two switches that share it only one can be made. `phrase`: the words for it after "phase 2
    with". `concerns`: whether it can change the training of a network. `parts`: of a trial, those that it changes.
    `rounds`: it changes rounding only, which f64 does not show.
    """

    name: str
    value: str | float
    stage: Stage
    phrase: str
    concerns: Concerns
    change: Change
    parts: tuple[Part, ...]
    rounds: bool = False

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    @property
    def before_update(self) -> bool:
        """True when it can change losses, running statistics or gradients of the first step."""
        return self.stage not in ("optimizer", "schedule")


Switches = frozenset[Switch]
DEFAULT: Switches = frozenset()


def compatible(switches: Iterable[Switch]) -> bool:
    """True unless two of them are values of one choice."""
    names = [switch.name for switch in switches]
    return len(names) == len(set(names))


def applied(switches: Iterable[Switch], config: TrainConfig) -> Practice:
    """The practice with those switches, everything else at its default."""
    in_order = sorted(switches, key=str)
    return in_turn((switch.change for switch in in_order), Practice(config))


def phrase(switches: Iterable[Switch]) -> str:
    """Several switches in words: `coupled weight decay on all parameters and …`."""
    chosen = sorted(switches, key=lambda switch: (_STAGES.index(switch.stage), switch.name != "weight_decay"))
    words = [switch.phrase for switch in chosen]
    values = {str(switch) for switch in chosen}
    if {"weight_decay=coupled", "decay_set=all"} <= values:
        words = [w for s, w in zip(chosen, words, strict=True) if s.name not in ("weight_decay", "decay_set")]
        words.insert(0, "coupled weight decay on all parameters")
    elif "weight_decay=coupled" in values:
        words = [
            f"{w} on weights alone" if str(s) == "weight_decay=coupled" else w
            for s, w in zip(chosen, words, strict=True)
        ]
    if not words:
        return "the default conventions"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_STAGES = ("optimizer", "schedule", "backward", "statistics", "forward", "data")
