"""What is added to a training step in order to look into it; a step of a run has nothing of the kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instruments:
    """`taps`: every value between layers and its cotangent are results too.

    `fences`: nodes whose value, and its cotangent, are materialised: nothing behind such a boundary is computed
    together with what is before it.
    """

    taps: bool = False
    fences: frozenset[str] = frozenset()


BARE = Instruments()
