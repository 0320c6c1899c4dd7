"""The first of the channels that differ: in a step the loss, then gradients, then rate and updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.verdict.channels import GRAD, LOSS, UPDATE, Channels
from harness.verdict.evidence import Fault


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
        kind, _, name = self.channel.partition(":")
        return f"step {self.step}, {({'grad': 'gradient', 'update': 'update'}[kind] + ' of ' + name) if name else kind}"


def first_cause(channels: Channels, beyond: npt.NDArray[np.bool_], rates: Mapping[int, bool]) -> Cause | None:
    """The cause of what is beyond its tolerance; None when nothing is. `rates`: whether the rates of a step agree.

    A loss of a later step whose gradients and updates agreed before is the backward pass's: a norm does not see a sign.

    Shapes: beyond (steps, channels).
    """
    for row, step in enumerate(channels.steps):
        of_loss: Fault = "forward" if step == 1 else "backward"
        of_update: Fault = "optimizer" if rates.get(step, True) else "schedule"
        orders: tuple[tuple[str, Fault], ...] = ((LOSS, of_loss), (GRAD, "backward"), (UPDATE, of_update))
        for prefix, fault in orders:
            here = [
                column for column, name in enumerate(channels.names) if name.startswith(prefix) and beyond[row, column]
            ]
            if here:
                relative = channels.relative[row]
                worst = max(here, key=lambda column: (np.isnan(relative[column]), relative[column]))
                return Cause(fault, step, channels.names[worst], float(relative[worst]))
    return None
