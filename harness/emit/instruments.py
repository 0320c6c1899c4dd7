"""Instruments of a training step: taps and optimization barriers, which the step of a run does not have."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instruments:
    """`taps`: every value between layers and its cotangent are results too.

    `barriers`: nodes with an optimization barrier at their value and its cotangent: both are materialised, so nothing
    after such a boundary is fused with anything before it.
    """

    taps: bool = False
    barriers: frozenset[str] = frozenset()


BARE = Instruments()
