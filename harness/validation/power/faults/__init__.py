"""The corpus: one family of faults a file."""

from harness.validation.power.fault import Fault
from harness.validation.power.faults import (
    activations,
    blocks,
    contractions,
    feeds,
    gradients,
    norms,
    precision,
    training,
)

_FAMILIES = (training, feeds, gradients, activations, contractions, norms, blocks, precision)
FAULTS: dict[str, Fault] = {fault.name: fault for family in _FAMILIES for fault in family.FAULTS}
