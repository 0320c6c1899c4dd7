"""Every fault in every network and on every side that it can be injected into."""

from dataclasses import dataclass

from harness.validation.power.fault import Pipeline
from harness.validation.power.faults import FAULTS


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
