"""Where the gradients of a step are read: a step returns updates, which hold them in a way that its form tells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.task import Array
from harness.module.tie.slots import TiedParameter, plain

Source = Literal["result", "first moment", "velocity", "update"]
_GRADIENTS = ("{}_grad", "grad_{}", "d{}", "d_{}", "g{}", "g_{}", "{}_gradient", "grads_{}")
_SAME = 1e-4  # how far beta1 may vary between elements: it is one number, read off in f64


@dataclass(frozen=True)
class GradientReading:
    """A parameter, where its gradient is read, and the number of the result that holds it."""

    parameter: TiedParameter
    source: Source
    result: int


@dataclass(frozen=True)
class GradientReader:
    """Reads the gradients of a step off two calls: `base` has zeros for moments, `moved` has ones, and a rate of 0.

    `rate`: number of the argument; `rate_value`: what it is fed, None where it is unknown.
    """

    module: StableModule
    sources: tuple[GradientReading, ...]
    rate: int | None
    rate_value: float | None

    def base(self, arguments: Sequence[Array]) -> list[Array]:
        """Arguments with moments of zero, so that new ones hold this gradient alone."""
        return self._with_moments(arguments, 0.0)

    def moved(self, arguments: Sequence[Array]) -> list[Array]:
        """Arguments with first moments of one, which shows how much of an old one stays, and with a rate of 0."""
        given = self._with_moments(arguments, 1.0)
        if self.rate is not None:
            given[self.rate] = np.zeros_like(given[self.rate])
        return given

    def _with_moments(self, arguments: Sequence[Array], value: float) -> list[Array]:
        given = list(arguments)
        for source in self.sources:
            if source.parameter.first is not None:
                given[source.parameter.first] = np.full_like(given[source.parameter.first], value)
            if source.parameter.second is not None:
                given[source.parameter.second] = np.zeros_like(given[source.parameter.second])
        return given

    @property
    def needs_moved(self) -> bool:
        """Whether something is read off the difference of both calls."""
        kinds = {source.source for source in self.sources}
        return "first moment" in kinds or ("update" in kinds and self.rate is not None)

    def betas(self, base: Sequence[Array], moved: Sequence[Array]) -> dict[str, float]:
        """How much of an old first moment stays, by parameter.

        Raises: ModuleError where it differs from element to element: then the argument is no moment.
        """
        found = {}
        for source in self.sources:
            if source.source != "first moment":
                continue
            stays = np.asarray(moved[source.result], np.float64) - np.asarray(base[source.result], np.float64)
            beta = float(np.median(stays))
            if not np.all(np.abs(stays - beta) <= _SAME) or not 0.0 <= beta < 1.0:
                name = self.module.arguments[source.parameter.first or 0].name
                raise ModuleError(
                    f"{self.module.path}: '{name}' was taken for the first moment of '{source.parameter.name}', but "
                    "its new value is no b1 m + (1 - b1) g. Expected Adam's moments, or SGD with a rate."
                )
            found[source.parameter.name] = beta
        return found

    def gradients(
        self, base: Sequence[Array], still: Sequence[Array] | None, betas: dict[str, float], arguments: Sequence[Array]
    ) -> dict[str, Array]:
        """Gradients by parameter, in f64. `still`: new values at a rate of 0; None: those before the step."""
        found = {}
        for source in self.sources:
            value = np.asarray(base[source.result], np.float64)
            if source.source == "first moment":
                value = value / (1.0 - betas[source.parameter.name])
            elif source.source == "update":
                unmoved = arguments[source.parameter.argument] if still is None else still[source.result]
                value = (np.asarray(unmoved, np.float64) - value) / (self.rate_value or 1.0)
            found[source.parameter.name] = value
        return found


def find_reader(
    module: StableModule, parameters: Sequence[TiedParameter], rate: str, arguments: Sequence[Array]
) -> GradientReader:
    """How the gradients of these parameters are read. `rate`: an argument's name, or the number that is a constant.

    Raises: ModuleError where there is no way.
    """
    argument, value = _rate(module, rate)
    if argument is not None:
        value = float(np.asarray(arguments[argument]).reshape(()))
    by_name = {plain(one.name): i for i, one in enumerate(module.results) if one.argument is None}
    in_order = _in_order(module, parameters)
    sources = []
    for number, parameter in enumerate(parameters):
        name = plain(parameter.name)
        direct = next((by_name[form.format(name)] for form in _GRADIENTS if form.format(name) in by_name), None)
        direct = in_order[number] if direct is None and in_order else direct
        moment = None if parameter.first is None else module.arguments[parameter.first].result
        if direct is not None and module.results[direct].type == module.arguments[parameter.argument].type:
            sources.append(GradientReading(parameter, "result", direct))
        elif moment is not None:
            source: Source = "velocity" if parameter.second is None else "first moment"
            sources.append(GradientReading(parameter, source, moment))
        elif parameter.second is None:
            sources.append(GradientReading(parameter, "update", parameter.result))
        else:
            second = module.arguments[parameter.second].name
            raise ModuleError(
                f"{module.path}: nothing tells the gradient of '{parameter.name}': '{second}' is a second moment, and "
                "there is no first one. Let the module return gradients."
            )
    if argument is not None and value == 0.0 and any(one.source == "update" for one in sources):
        raise ModuleError(f"{module.path}: the rate, '{module.arguments[argument].name}', is fed 0. Feed it another.")
    return GradientReader(module, tuple(sources), argument, value)


def _rate(module: StableModule, said: str) -> tuple[int | None, float | None]:
    """Number of the argument that is the rate, or the rate itself; neither where nobody knows."""
    names = [argument.name for argument in module.arguments if not argument.type.shape and argument.type.is_float]
    if not said:
        found = [i for i, one in enumerate(module.arguments) if one.role == "rate" and math.prod(one.type.shape) == 1]
        return (found[0] if len(found) == 1 else None), None
    if said in names:
        return next(i for i, argument in enumerate(module.arguments) if argument.name == said), None
    try:
        value = float(said)
    except ValueError:
        raise ModuleError(
            f"--rate {said}: expected a number, or an argument: {', '.join(names) or 'it has none'}."
        ) from None
    if not 0.0 < value < math.inf:
        raise ModuleError(f"--rate {said}: expected a number above 0.")
    return None, value


def _in_order(module: StableModule, parameters: Sequence[TiedParameter]) -> list[int]:
    """Results that are nobody's new value and have the types of the parameters, in their order."""
    left = [i for i, one in enumerate(module.results) if one.argument is None and i != module.loss]
    wanted = [module.arguments[parameter.argument].type for parameter in parameters]
    return left if [module.results[i].type for i in left] == wanted else []
