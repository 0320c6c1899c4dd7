"""Long right runs of one network from one start, each of which rounds otherwise, for the bounds of later steps.

Every run leaves a trace with norms at the steps that have them by default, in FOLDER/NETWORK/long/VARIANT.jsonl.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.dataset import resolve_data
from harness.nn.cases import find_case
from harness.run.inprocess import Batch, Phase2, Phase3, RunRecorder, open_feed
from harness.run.parts_run import ulp_away
from harness.validation.rounding.runs import obey, write_trace
from harness.validation.variations import OtherCompiler

LONG_STEPS = 400
LONG = "long"  # the folder of a network's long runs
LONG_NETWORKS = (
    "dense-relu",
    "momentum",
    "weight-decay",
    "conv-pool",
    "convbn",
    "residual",
    "mbconv",
    "instance-norm",
    "layer-norm",
    "attention",
)
_VARIANTS: Mapping[str, tuple[type[Phase2] | type[Phase3], bool]] = {
    "phase2": (Phase2, False),
    "phase3": (Phase3, False),
    "phase3xla": (OtherCompiler, False),
    "ulp": (Phase3, True),
}


@dataclass(frozen=True)
class LongOrder:
    """What a process is to run: the long right runs of a network."""

    network: str
    folder: str


def long_traces(folder: Path, network: str) -> list[Path]:
    """The paths of a network's long runs, all of one start."""
    return [folder / network / LONG / f"{name}.jsonl" for name in _VARIANTS]


def train_long_runs(order: LongOrder) -> int:
    """Train what is missing; the number of traces that are there afterwards.

    Raises: HarnessError when a program cannot be made, or the data not be had.
    """
    case = find_case(order.network)
    graph, config = case.graph(), case.config
    data = resolve_data(None, case.spec.dataset, case.spec.input_shape).folder
    feed = open_feed(graph, config, data, "f32")
    paths = long_traces(Path(order.folder), order.network)
    for path, (make, moved) in zip(paths, _VARIANTS.values(), strict=True):
        if path.exists():
            continue
        side = make(graph, config, "f32")
        initial = side.initial()
        training = side.begin(ulp_away(initial, np.random.default_rng(0)) if moved else initial)
        recorder = RunRecorder(side, initial, LONG_STEPS, feed.steps_per_epoch, observed)
        for t in range(1, LONG_STEPS + 1):
            batch, rate = Batch(*feed.training(t)), side.learning_rate(t, feed.steps_per_epoch)
            recorder.add(training.step(t, batch, rate), batch, rate)
        write_trace(path, recorder.recording.trace)
    return len(paths)


def observed(t: int) -> bool:
    """Whether a step of a trace has norms by default."""
    return t <= 8 or t % 64 == 0


if __name__ == "__main__":
    obey(LongOrder, train_long_runs)
