"""The margin beyond an ensemble's spread that two correct programs may be apart by: fitted, never set by hand."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import EnvelopeError

DEFAULT_RATE = 0.005
MARGIN_FILE = Path(__file__).with_name("margin.json")


class Margin(msgspec.Struct, kw_only=True, frozen=True):
    """The tail of |delta| / (spread of the ensemble) over channels and steps of clean pairs.

    Above `threshold`, which a share `exceeding` of the ratios is, their excess has a generalised Pareto distribution
    with `scale` and `shape`. `held_out`: how the pairs fared under a fit to the other half of the networks.
    """

    threshold: float
    exceeding: float
    scale: float
    shape: float
    fitted_on: dict[str, Any]
    held_out: dict[str, Any]

    def factor(self, false_positive_rate: float, tests: int) -> float:
        """The ratio that one of so many tests exceeds in at most that share of clean pairs (Bonferroni).

        It never falls below the threshold, up to which the fit says nothing.
        """
        if not 0 < false_positive_rate < 1:
            raise ValueError(f"a false-positive rate of {false_positive_rate:g}; expected a number between 0 and 1")
        beyond = self.exceeding * tests / false_positive_rate
        if beyond <= 1:
            return self.threshold
        return self.threshold + self.scale / self.shape * (math.pow(beyond, self.shape) - 1)


@cache
def fitted_margin() -> Margin:
    """The margin that `harness envelope --fit` found and this package ships. Raises: EnvelopeError if it is damaged."""
    try:
        margin = msgspec.json.decode(MARGIN_FILE.read_bytes(), type=Margin)
    except (OSError, msgspec.DecodeError) as error:
        raise EnvelopeError(f"{MARGIN_FILE}: not a margin: {error}. Install the package again.") from None
    if not (margin.threshold > 0 and 0 < margin.exceeding < 1 and margin.scale > 0 and margin.shape != 0):
        raise EnvelopeError(f"{MARGIN_FILE}: its numbers are of no tail. Install the package again.")
    return margin
