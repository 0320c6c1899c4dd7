"""A step held against a loss: one in a Python file, or that of a network of this project."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import HarnessError, ModuleError
from harness.explain.conventions.switches import Switch, compatible, phrase
from harness.module.load import StableModule
from harness.module.task import Array
from harness.module.tie.comparison import Further, GradientComparison
from harness.module.tie.explanations import TensorPair
from harness.module.tie.function import LossFunction, find_loss
from harness.module.tie.network import NetworkLoss, find_network
from harness.module.tie.reading import find_reader
from harness.module.tie.runs import NotRunError, TieRuns
from harness.module.tie.slots import TiedParameter, parameters_of
from harness.module.tie.words import Tie

_HELPS = 0.5  # of the difference, what a convention may leave for a second one to be tried with it


def tie_to_function(
    module: StableModule, against: str, arguments: Sequence[Array], runs: TieRuns, *, rate: str = ""
) -> Tie:
    """The gradients of a step and those of `FILE.py:NAME`. `rate`: as in `find_reader`.

    Raises: ModuleError, SpecError for what cannot be read or bound.
    """
    parameters = _parameters(module)
    loss = find_loss(against, module, parameters)
    return _tie(module, loss, parameters, arguments, runs, rate)


def tie_to_network(
    module: StableModule, name: str, arguments: Sequence[Array], runs: TieRuns, *, rate: str = ""
) -> Tie:
    """The gradients of a step and those of phase 2 of a network. `rate`: as in `find_reader`.

    Where they differ, each convention that `harness explain` knows is tried in phase 2.

    Raises: ModuleError, SpecError for what cannot be read or is not of that network.
    """
    parameters = _parameters(module)
    network = find_network(name, module, parameters)

    def further(comparison: GradientComparison, pairs: Sequence[TensorPair]) -> list[str]:
        search = _SwitchTrial(network, comparison, pairs)
        return search.run()

    return _tie(module, network.loss(), parameters, arguments, runs, rate, further)


@dataclass
class _SwitchTrial:
    """Conventions of phase 2 one by one; then, with the one that leaves the least, a second one."""

    network: NetworkLoss
    comparison: GradientComparison
    pairs: Sequence[TensorPair]

    def run(self) -> list[str]:
        """Those that leave nothing of the difference."""
        singles: list[tuple[Switch, ...]] = [(one,) for one in self.network.switches()]
        left = {one: self._left(one) for one in singles}
        closing = [one for one in singles if left[one] <= 1.0]
        best = min(singles, key=left.__getitem__, default=())
        if not closing and best and left[best] < _HELPS * self._left(()):
            doubles = [(*best, *one) for one in singles if compatible((*best, *one))]
            closing = [one for one in doubles if self._left(one) <= 1.0]
        return [f"phase 2 with {phrase(one)}" for one in closing]

    def _left(self, switches: tuple[Switch, ...]) -> float:
        """The largest difference over what is allowed, of all tensors."""
        told = f" with {phrase(switches)}" if switches else ""
        self.comparison.runs.say(f"phase 2{told} …")
        grads = {pair.name: pair.function.reshape(pair.shape) for pair in self.pairs}
        params = {pair.name: pair.parameter.reshape(pair.shape) for pair in self.pairs}
        try:
            if any("network" in switch.parts for switch in switches):
                grads = self.comparison.gradients(loss=self.network.under(switches))[1]
        except HarnessError:  # a convention that this network cannot have
            return math.inf
        changed = self.network.recorded(switches, grads, params)
        return max(pair.left(np.asarray(changed[pair.name], np.float64).ravel()) for pair in self.pairs)


def _parameters(module: StableModule) -> tuple[TiedParameter, ...]:
    if module.refusals:
        raise ModuleError(f"{module.path}: {module.refusals[0]}. Expected operations that have a meaning in f64.")
    return parameters_of(module)


def _tie(
    module: StableModule,
    loss: LossFunction,
    parameters: Sequence[TiedParameter],
    arguments: Sequence[Array],
    runs: TieRuns,
    rate: str,
    further: Further = lambda comparison, pairs: [],
) -> Tie:
    bound = {loss.numbers[position] for position in loss.differentiated}
    chosen = tuple(parameter for parameter in parameters if parameter.argument in bound)
    reader = find_reader(module, chosen, rate, arguments)
    try:
        return GradientComparison(module, loss, chosen, reader, arguments, runs, further).tie()
    except NotRunError as error:
        return Tie(str(module.path), loss.shown, failure=str(error))
