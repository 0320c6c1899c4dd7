"""A step held against a loss: one in a Python file, or that of a network of this project."""

from collections.abc import Sequence

import numpy as np

from harness.errors import HarnessError, ModuleError
from harness.module.load import StableModule
from harness.module.task import Array
from harness.module.tie.comparison import Further, GradientComparison
from harness.module.tie.explanations import TensorPair
from harness.module.tie.function import LossFunction, find_loss
from harness.module.tie.network import find_network
from harness.module.tie.reading import find_reader
from harness.module.tie.runs import NotRunError, TieRuns
from harness.module.tie.slots import TiedParameter, parameters_of
from harness.module.tie.words import Tie


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
        params = {pair.name: pair.parameter.reshape(pair.shape) for pair in pairs}
        plain: dict[str, Array] = {pair.name: pair.function.reshape(pair.shape) for pair in pairs}
        found = []
        for switch in network.switches():
            runs.say(f"phase 2 with {switch.phrase} …")
            grads = plain
            try:
                if "network" in switch.parts:
                    grads = comparison.gradients(loss=network.under(switch))[1]
            except HarnessError:  # a convention that this network cannot have
                continue
            changed = network.recorded(switch, grads, params)
            if all(pair.closes(np.asarray(changed[pair.name], np.float64).ravel()) for pair in pairs):
                found.append(f"phase 2 with {switch.phrase}")
        return found

    return _tie(module, network.loss(), parameters, arguments, runs, rate, further)


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
