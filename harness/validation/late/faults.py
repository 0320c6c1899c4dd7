"""The late faults: in the data, the state, the rate, the counters, at epoch boundaries, below a loss, in the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.data.batches import Labels
from harness.run.inprocess import Array, Batch, Side, Step, Tensors
from harness.validation.late.fault import (
    LateFault,
    Moment,
    Transition,
    below,
    first_of_epochs,
    last_of_epochs,
    once,
    onwards,
)
from harness.validation.late.networks import NETWORKS, STEPS, STEPS_PER_EPOCH, LateFeed
from harness.validation.power.fault import Pipeline

ALL = tuple(NETWORKS)
_ADAM = ("mlp", "attention")
_NORMED = ("cnn",)
_ONE = {"dense1.b", "dense1.w"}  # of every network
AT = 130  # in the middle of the third epoch and of a segment


def _other_batch(feed: LateFeed, t: int) -> Batch:
    return feed.batch(t + 1)


def _one_label(feed: LateFeed, t: int) -> Batch:
    batch = feed.batch(t)
    labels = batch.labels.copy()
    labels[1] = (labels[1] + 1) % 10
    return replace(batch, labels=labels)


def _next_labels(feed: LateFeed, t: int) -> Batch:
    batch = feed.batch(t)
    return replace(batch, labels=np.roll(batch.labels, -1))


def _seen(change: Callable[[Array], Array]) -> Callable[[LateFeed, int], Batch]:
    def batch(feed: LateFeed, t: int) -> Batch:
        right = feed.batch(t)
        return replace(right, x=change(right.x))

    return batch


def _first_order(feed: LateFeed, t: int) -> Batch:
    return feed.batch((t - 1) % STEPS_PER_EPOCH + 1)


def _only(
    names: Callable[[Transition], Sequence[str]], change: Callable[[Array, Array], Array]
) -> Callable[[Transition], Tensors]:
    """`change`: of each of those tensors, before and after the step."""

    def state(step: Transition) -> Tensors:
        return step.after | {name: change(step.before[name], step.after[name]) for name in names(step)}

    return state


def _stale(before: Array, after: Array) -> Array:
    return before


def _lost(before: Array, after: Array) -> Array:
    return np.zeros_like(after)


def _scaled_move(factor: float) -> Callable[[Array, Array], Array]:
    return lambda before, after: before + np.float32(factor) * (after - before)


def _in_bfloat16(before: Array, after: Array) -> Array:
    words = after.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return words.view(np.float32).astype(after.dtype)


def _slot(number: int) -> Callable[[Transition], Sequence[str]]:
    """The slots of one kind: Adam's m and v, or a velocity."""

    def names(step: Transition) -> Sequence[str]:
        kinds = list(dict.fromkeys(name.rpartition(".")[2] for name in step.slots))
        return [name for name in step.slots if name.endswith(f".{kinds[number]}")]

    return names


def _params(step: Transition) -> Sequence[str]:
    return step.params


def _slots(step: Transition) -> Sequence[str]:
    return step.slots


def _statistics(step: Transition) -> Sequence[str]:
    return step.statistics


def _everything(step: Transition) -> Sequence[str]:
    return list(step.after)


def _named(name: str) -> Callable[[Transition], Sequence[str]]:
    return lambda step: [name]


def _undecayed(step: Transition) -> Tensors:
    back = np.float32(step.rate * step.decay)
    return step.after | {name: step.after[name] + back * step.before[name] for name in step.params if name[-2:] == ".w"}


def _rate_at(t: Callable[[int], int], factor: float = 1.0) -> Callable[[Side, int], np.float32]:
    return lambda side, now: np.float32(factor * float(side.learning_rate(t(now), STEPS_PER_EPOCH)))


def _previous_epoch(ends: Sequence[Step]) -> Step:
    return ends[-2]


def _without_statistics(state: Step) -> Step:
    return replace(state, stats={name: np.full_like(x, float(name.endswith("var"))) for name, x in state.stats.items()})


def _next_image(labels: Labels) -> Labels:
    rolled: Labels = np.roll(labels, -1)
    return rolled


def _place(at: Moment) -> int:
    return at.place + 1


_DATA, _STATE, _UPDATE, _STATISTICS = "data", "lost state", "update", "running statistics"
_RATE, _COUNTER, _LOSS, TEST = "rate", "step counter", "below a loss", "evaluation"
_PARAMETER = "parameter"
FAULTS = (
    LateFault("another batch once", _DATA, ALL, once(AT), batch=_other_batch),
    LateFault("one label wrong once", _DATA, ALL, once(AT), batch=_one_label),
    LateFault("labels of the next image", _DATA, ALL, onwards(AT), batch=_next_labels),
    LateFault("pixels over 256", _DATA, ALL, onwards(AT), batch=_seen(lambda x: x * np.float32(255 / 256))),
    LateFault(
        "images a row lower", _DATA, ("cnn", "attention"), onwards(AT), batch=_seen(lambda x: np.roll(x, 1, axis=2))
    ),
    LateFault("an epoch begins with its second batch", _DATA, ALL, first_of_epochs, batch=_other_batch),
    LateFault("order of the first epoch in all", _DATA, _NORMED, first_of_epochs, batch=_first_order),
    LateFault("first slot lost once", _STATE, ALL, once(AT), state=_only(_slot(0), _lost)),
    LateFault("second slot lost once", _STATE, _ADAM, once(AT), state=_only(_slot(1), _lost)),
    LateFault("all slots lost at every epoch", _STATE, ALL, last_of_epochs, state=_only(_slots, _lost)),
    LateFault("first slot never kept", _STATE, ALL, onwards(AT), state=_only(_slot(0), _lost)),
    LateFault("one step lost", _UPDATE, ALL, once(AT), state=_only(_everything, _stale)),
    LateFault("last step of every epoch lost", _UPDATE, ALL, last_of_epochs, state=_only(_everything, _stale)),
    LateFault("one update twice", _UPDATE, ALL, once(AT), state=_only(_params, _scaled_move(2.0))),
    LateFault("updates times 1.05", _UPDATE, ALL, onwards(AT), state=_only(_params, _scaled_move(1.05))),
    # A step of Adam is as large as the rate, and the decay of the two networks next to nothing beside it.
    LateFault("weight decay forgotten", _UPDATE, ALL, onwards(AT), state=_undecayed, faint_in=("mlp", "attention")),
    LateFault("parameters through bfloat16 once", _PARAMETER, ALL, once(AT), state=_only(_params, _in_bfloat16)),
    LateFault("one bias frozen", _PARAMETER, ALL, onwards(AT), state=_only(_named("dense1.b"), _stale)),
    LateFault("one weight frozen", _PARAMETER, ALL, onwards(AT), state=_only(_named("dense1.w"), _stale)),
    LateFault("statistics frozen", _STATISTICS, _NORMED, onwards(AT), state=_only(_statistics, _stale)),
    LateFault("statistics kept back once", _STATISTICS, _NORMED, once(AT), state=_only(_statistics, _stale)),
    LateFault("statistics lost at every epoch", _STATISTICS, _NORMED, last_of_epochs, state=_only(_statistics, _lost)),
    LateFault("rate of the epoch before once", _RATE, ALL, once(AT), rate=_rate_at(lambda t: t - STEPS_PER_EPOCH)),
    LateFault("rate that no longer falls", _RATE, ALL, onwards(AT), rate=_rate_at(lambda t: AT)),
    LateFault("rate times 1.02, and said", _RATE, ALL, onwards(AT), rate=_rate_at(int, 1.02), states_rate=True),
    LateFault("rate a step late at every epoch", _RATE, ALL, first_of_epochs, rate=_rate_at(lambda t: t - 1)),
    LateFault("warm-up once more", _RATE, _ADAM, onwards(2 * STEPS_PER_EPOCH + 1), rate=_rate_at(lambda t: t - 120)),
    LateFault("counter starts anew every epoch", _COUNTER, _ADAM, onwards(STEPS_PER_EPOCH + 1), count=_place),
    LateFault("counter stands still", _COUNTER, _ADAM, onwards(AT), count=lambda at: AT),
    LateFault("counter one ahead", _COUNTER, _ADAM, onwards(AT), count=lambda at: at.t + 1),
    LateFault("updates times 0.9", _LOSS, ALL, below(0.6), state=_only(_params, _scaled_move(0.9))),
    LateFault("first slot halved", _LOSS, ALL, below(0.6), state=_only(_slot(0), lambda before, after: after / 2)),
    LateFault("one label wrong", _LOSS, ALL, below(0.6), batch=_one_label),
    LateFault("parameters of the epoch before tested", TEST, ALL, tested=_previous_epoch),
    LateFault("labels of the next image tested", TEST, ALL, test_labels=_next_image),
    LateFault("tested without statistics", TEST, _NORMED, evaluated=_without_statistics),
    LateFault("very last step lost", _UPDATE, ALL, once(STEPS), state=_only(_everything, _stale)),
)


@dataclass(frozen=True)
class LateCase:
    """A late fault, the network that it is injected into, and the side."""

    fault: LateFault
    network: str
    side: Pipeline

    @property
    def name(self) -> str:
        """For people, and as a key."""
        return f"{self.fault.kind}: {self.fault.name} | {self.network} | {self.side}"


_SIDES: tuple[Pipeline, ...] = ("phase2", "phase3")
# A fault's networks take turns with the side, which halves the time and leaves each fault and network on both sides.
LATE_CASES = tuple(
    LateCase(fault, network, _SIDES[(number + ALL.index(network)) % 2])
    for number, fault in enumerate(FAULTS)
    for network in fault.networks
)
