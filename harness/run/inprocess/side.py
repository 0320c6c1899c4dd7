"""Interface of both sides: the facts they are made from, their inputs and their results."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from harness.data.initial_parameters import initial_parameters
from harness.emit.instruments import BARE, Instruments
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.run_config import DEFAULT_INIT_SEED, Start
from harness.spec.shapes import Graph, size

Array = npt.NDArray[Any]
Tensors = dict[str, Array]
SHARED = Conventions()


@dataclass(frozen=True)
class Batch:
    """Inputs of one step. Shapes: x (B, *input), labels (B,) i32."""

    x: Array
    labels: Array


@dataclass(frozen=True)
class Step:
    """One step: the loss and the gradients before the update, the parameters and running statistics after it."""

    loss: float
    grads: Tensors
    params: Tensors
    stats: Tensors = field(default_factory=dict)


@dataclass(frozen=True)
class Tapped:
    """A step that was looked into. `values`, `cotangents`: of every node, images NHWC; see `Instruments`."""

    step: Step
    values: Tensors
    cotangents: Tensors


@dataclass(frozen=True)
class Moved:
    """Parameters and optimizer slots after an update; slots are called `param.slot`."""

    params: Tensors
    slots: Tensors


class Training(ABC):
    """A training under way: its state, and the steps that change it."""

    @abstractmethod
    def step(self, t: int, batch: Batch, rate: np.float32) -> Step:
        """Training step t, from 1, on a batch at a rate."""

    @abstractmethod
    def get_state(self) -> Tensors:
        """Copies of parameters, slots and running statistics, named as in a file of states."""

    @abstractmethod
    def set_state(self, tensors: Tensors) -> None:
        """Go on from these, of all names that `get_state` has."""


class Side(ABC):
    """The program of one pipeline for one network, emitted when it is made. `instruments`: in its training step.

    `rules`: what everything is emitted by; None: the registered ones.

    Raises: RuleError for a missing rule; EmitError when a module does not verify.
    """

    pipeline: ClassVar[str]

    def __init__(
        self,
        graph: Graph,
        config: TrainConfig,
        dtype: DType,
        conventions: Conventions = SHARED,
        init_seed: int = DEFAULT_INIT_SEED,
        instruments: Instruments = BARE,
        rules: Rules | None = None,
    ) -> None:
        self.graph, self.config, self.dtype, self.conventions = graph, config, dtype, conventions
        self.init_seed = init_seed
        self.rules = registered_rules() if rules is None else rules
        self.names = [p.name for p in graph.params]
        self._emit(instruments)

    @abstractmethod
    def _emit(self, instruments: Instruments) -> None:
        """Make the program."""

    def instrumented(self, instruments: Instruments) -> Self:
        """The same side with other instruments."""
        facts = self.graph, self.config, self.dtype, self.conventions, self.init_seed
        return type(self)(*facts, instruments=instruments, rules=self.rules)

    def with_barriers(self, nodes: frozenset[str]) -> Self:
        """The same side with optimization barriers at the values of those nodes."""
        return self.instrumented(Instruments(barriers=nodes))

    @property
    def kind(self) -> type[np.floating]:
        """The numpy type of the side's tensors."""
        return np.float32 if self.dtype == "f32" else np.float64

    def initial(self, start: Start = "drawn") -> Array:
        """The initial parameters as one f32 vector. Shapes: (total_params,)."""
        return np.concatenate([p.ravel() for p in initial_parameters(self.graph.params, self.init_seed, start)])

    def split(self, flat: Array) -> list[Array]:
        """A vector of all parameters as one array each, in the order of the table."""
        ends = np.cumsum([size(p.shape) for p in self.graph.params])
        parts = np.split(flat, ends[:-1])
        return [part.reshape(p.shape) for part, p in zip(parts, self.graph.params, strict=True)]

    def rates(self, steps: int, steps_per_epoch: int) -> list[np.float32]:
        """The learning rates of the first steps, by this side's own formula."""
        return [self.learning_rate(t, steps_per_epoch) for t in range(1, steps + 1)]

    @abstractmethod
    def learning_rate(self, t: int, steps_per_epoch: int) -> np.float32:
        """The learning rate of step t, from 1."""

    @abstractmethod
    def begin(self, initial: Array | None = None) -> Training:
        """A training from `initial` (total_params,), or else from the parameters of the init seed."""

    def train(self, batches: Sequence[Batch], rates: Sequence[np.float32], initial: Array | None = None) -> list[Step]:
        """One training step a batch; `initial`: as for `begin`."""
        training = self.begin(initial)
        return [training.step(t, batch, rate) for t, batch, rate in enumerate_steps(batches, rates)]

    @abstractmethod
    def logits(self, step: Step, x: Array) -> Array:
        """Logits in evaluation, by the parameters and running statistics after a step.

        Shapes: x (n, *input), result (n, classes).
        """

    @abstractmethod
    def tapped(self, batches: Sequence[Batch], rates: Sequence[np.float32]) -> Tapped:
        """The last of as many steps as there are batches, with taps."""

    @abstractmethod
    def update(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The update alone at the base rate, from slots of zero, once for each set of gradients."""


def enumerate_steps(batches: Sequence[Batch], rates: Sequence[np.float32]) -> list[tuple[int, Batch, np.float32]]:
    """Number, batch and rate of each step."""
    return [(t, batch, rate) for t, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1)]
