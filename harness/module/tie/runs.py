"""Runs of both sides of a tie, each in a process of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ModuleError
from harness.module.execute import execute
from harness.module.executors import REFERENCE
from harness.module.load import StableModule
from harness.module.members import AMPLITUDE, EXACT
from harness.module.noise import UNIT, NoisyWidener
from harness.module.task import Array, Noise
from harness.module.tie.constants import ConstantsShaken

_SHAKEN = 3  # members with other roundings of the constants
_NOISY = 4  # members with rounding noise


class NotRunError(ModuleError):
    """A side of a tie has no results, and nothing is compared."""


@dataclass(frozen=True)
class TieRuns:
    """How modules of a tie are run. `say`: is told what runs."""

    seed: int
    timeout_s: float
    say: Callable[[str], None]

    def shaken(self, module: StableModule, arguments: Sequence[Array]) -> list[list[Array]]:
        """Results in f64: with its constants, then with others that round to the same.

        Raises: NotRunError.
        """
        text = ConstantsShaken().clone(module.inlined, "main")
        noises = [EXACT, *(Noise(UNIT, 0.0, self.seed + number + 1) for number in range(_SHAKEN))]
        return self._calls(str(module.path), text, "main", widened(arguments), noises)

    def noisy(self, module: StableModule, arguments: Sequence[Array]) -> list[list[Array]]:
        """Results in f64, then with rounding noise of f32.

        Raises: NotRunError.
        """
        text = NoisyWidener().clone(module.inlined, "main")
        noises = [EXACT, *(Noise(AMPLITUDE, 0.0, self.seed + number + 1) for number in range(_NOISY))]
        return self._calls(f"{module.path} with rounding noise", text, "main", widened(arguments), noises)

    def once(self, shown: str, text: str, function: str, arguments: Sequence[Array]) -> list[Array]:
        """Results of a module as it is.

        Raises: NotRunError.
        """
        return self._calls(shown, text, function, arguments, ())[0]

    def _calls(
        self, shown: str, text: str, function: str, arguments: Sequence[Array], noises: Sequence[Noise]
    ) -> list[list[Array]]:
        self.say(f"{shown} …")
        run = execute(REFERENCE, text, function, arguments, timeout_s=self.timeout_s, noises=noises)
        if not run.calls:
            raise NotRunError(f"{shown}: {run.outcome}{f' ({run.message})' if run.message else ''}")
        return run.calls


def widened(arguments: Sequence[Array]) -> list[Array]:
    """The same numbers in f64."""
    return [array.astype(np.float64) if array.dtype == np.float32 else array for array in arguments]
