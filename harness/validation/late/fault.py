"""A late fault: when it acts in a run, and what it changes there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.batches import Labels
from harness.run.inprocess import Batch, Side, Step, Tensors
from harness.validation.late.networks import STEPS_PER_EPOCH, LateFeed


@dataclass(frozen=True)
class Moment:
    """A step of a run, from 1, and the loss of the one before, infinite at first."""

    t: int
    loss: float

    @property
    def epoch(self) -> int:
        """From 0."""
        return (self.t - 1) // STEPS_PER_EPOCH

    @property
    def place(self) -> int:
        """The step's in its epoch, from 0."""
        return (self.t - 1) % STEPS_PER_EPOCH


@dataclass(frozen=True)
class Transition:
    """A step's states, of which `after` may be changed. `params`: names. `rate`: of the step. `decay`: of weights."""

    before: Tensors
    after: Tensors
    params: Sequence[str]
    rate: float
    decay: float

    @property
    def slots(self) -> list[str]:
        """Names of the optimizer's."""
        return [name for name in self.after if name not in self.params and name.rpartition(".")[0] in self.params]

    @property
    def statistics(self) -> list[str]:
        """Names of the running ones."""
        return [name for name in self.after if name not in self.params and name not in self.slots]


def _as_it_is(state: Step) -> Step:
    return state


def _always_last(ends: Sequence[Step]) -> Step:
    return ends[-1]


@dataclass(frozen=True)
class LateFault:
    """One late fault. `kind`: its family. `networks`: where it can be injected, on either side.

    `when`: the steps at which it acts. `batch`: what a step is fed. `rate`: at what rate it goes. `count`: the number
    that the program believes it has. `state`: what becomes of the state after it. `states_rate`: the trace has the
    wrong rate, where others have the right one. `evaluated`: what evaluation takes a state for. `test_labels`: those
    that are read of the test. `tested`: the step whose state the run's test is of, of the last of each epoch.
    `faint_in`: networks in which it changes less than right runs differ by in f32, so that nothing but f64 can find it.
    """

    name: str
    kind: str
    networks: tuple[str, ...]
    when: Callable[[Moment], bool] = lambda at: False
    batch: Callable[[LateFeed, int], Batch] | None = None
    rate: Callable[[Side, int], np.float32] | None = None
    count: Callable[[Moment], int] | None = None
    state: Callable[[Transition], Tensors] | None = None
    states_rate: bool = False
    evaluated: Callable[[Step], Step] = _as_it_is
    test_labels: Callable[[Labels], Labels] = lambda labels: labels
    tested: Callable[[Sequence[Step]], Step] = _always_last
    faint_in: tuple[str, ...] = ()

    @property
    def only_counted(self) -> bool:
        """True when nothing shows it but how many test images are right at the end of a run."""
        return self.tested is not _always_last


def once(step: int) -> Callable[[Moment], bool]:
    """At one step only."""
    return lambda at: at.t == step


def onwards(step: int) -> Callable[[Moment], bool]:
    """From a step on."""
    return lambda at: at.t >= step


def first_of_epochs(at: Moment) -> bool:
    """At the first step of every epoch but the first."""
    return at.place == 0 and at.epoch > 0


def last_of_epochs(at: Moment) -> bool:
    """At the last step of every epoch."""
    return at.place == STEPS_PER_EPOCH - 1


def below(loss: float) -> Callable[[Moment], bool]:
    """Wherever the step before had a smaller loss."""
    return lambda at: at.loss < loss
