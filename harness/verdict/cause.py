"""The first of the channels that differ: in a step the parameters, the loss, the gradients, and the updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.verdict.channels import Channels, Part, part_of
from harness.verdict.evidence import Fault

# The parts of a training step in the order in which a difference of one explains those of the next.
PARTS: tuple[Part, ...] = ("parameters", "loss", "running statistics", "gradient", "update")


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(frozen=True)
class Cause:
    """The first channel that differs, the step, and what that makes of it."""

    fault: Fault
    step: int
    channel: str
    relative: float

    @property
    def place(self) -> str:
        """For people: `step 1, gradient of dense1.w`."""
        _, _, tensor = self.channel.partition(":")
        return f"step {self.step}, {part_of(self.channel)}{' of ' + tensor if tensor else ''}"


def first_cause(channels: Channels, beyond: npt.NDArray[np.bool_], rates: Mapping[int, bool]) -> Cause | None:
    """The cause of what is beyond its tolerance; None when nothing is. `rates`: whether the rates of a step agree.

    A loss of a later step whose gradients and updates agreed before is the backward pass's: a norm does not see a sign.

    Shapes: beyond (steps, channels).
    """
    parts = [part_of(name) for name in channels.names]
    for row, step in enumerate(channels.steps):
        for part in PARTS:
            here = [column for column, found in enumerate(parts) if found == part and beyond[row, column]]
            if here:
                relative = channels.relative[row]
                worst = max(here, key=lambda column: (np.isnan(relative[column]), relative[column]))
                fault = fault_of(part, step, rates.get(step, True))
                return Cause(fault, step, channels.names[worst], float(relative[worst]))
    return None


def fault_of(part: Part, step: int, same_rate: bool = True) -> Fault:
    """The kind of fault of a part that is the first to differ.

    At step 1 nothing has been trained: other parameters are another start.
    """
    if part == "parameters":
        return "contract" if step == 1 else "optimizer"
    if part == "gradient" or (part == "loss" and step > 1):
        return "backward"
    if part == "update":
        return "optimizer" if same_rate else "schedule"
    return "forward"
