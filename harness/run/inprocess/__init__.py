"""Both programs of a network in this process, on the same inputs: the script by JAX, the modules by IREE.

A side emits its program when it is made, by rules of its own where it is given some. Whole runs, with their time
limits, environment and files, are cells (`harness.run`); a side serves where single steps are looked into.
"""

from harness.run.inprocess.first_batches import FirstBatches, first_batches, open_feed
from harness.run.inprocess.phase2 import Phase2, script_module
from harness.run.inprocess.phase3 import Phase3
from harness.run.inprocess.recorded import RunRecorder, recorded
from harness.run.inprocess.side import SHARED, Array, Batch, Moved, Side, Step, Tapped, Tensors, Training

__all__ = [
    "SHARED",
    "Array",
    "Batch",
    "FirstBatches",
    "Moved",
    "Phase2",
    "Phase3",
    "RunRecorder",
    "Side",
    "Step",
    "Tapped",
    "Tensors",
    "Training",
    "first_batches",
    "open_feed",
    "recorded",
    "script_module",
]
