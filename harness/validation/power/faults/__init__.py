"""The corpus: one family of faults a file, and every network and side that each is injected into."""

from dataclasses import dataclass

from harness.validation.power.fault import Fault, Pipeline
from harness.validation.power.faults import (
    activations,
    blocks,
    contractions,
    evaluation,
    feeds,
    gradients,
    latent,
    moves,
    norms,
    precision,
    products,
    training,
)

_FAMILIES = (
    training,
    moves,
    feeds,
    gradients,
    activations,
    contractions,
    norms,
    blocks,
    precision,
    products,
    latent,
    evaluation,
)
FAULTS: dict[str, Fault] = {fault.name: fault for family in _FAMILIES for fault in family.FAULTS}


@dataclass(frozen=True)
class Case:
    """A fault, the network that it is injected into, and the side."""

    fault: str
    network: str
    side: Pipeline

    @property
    def name(self) -> str:
        """For people, and as a key."""
        return f"{self.fault} | {self.network} | {self.side}"


CASES = tuple(
    Case(fault.name, network, side) for fault in FAULTS.values() for network in fault.where for side in fault.injections
)
