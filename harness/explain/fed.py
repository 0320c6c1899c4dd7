"""What a run of a network is to be fed, and what each pipeline's own reader makes of the same files."""

from pathlib import Path
from typing import Any

import numpy as np

from harness.data.dataset import read_data
from harness.data.feed import BatchFeed
from harness.explain.party import Meant, Party
from harness.nn.cases import OracleCase
from harness.run.inprocess import Batch, Phase2
from harness.spec.netspec import PROFILES

STEPS = 3


def meant_for(case: OracleCase, folder: Path, step: int, init_seed: int) -> Meant:
    """The batches up to a step, in file order, three at least.

    Raises: DataError when the data cannot be read or make no batch.
    """
    graph, spec, config = case.graph(), case.spec, case.config
    data = read_data(folder, spec.dataset, spec.input_shape)
    feed = BatchFeed(
        data, spec.dataset, spec.input_shape, "f32", config.batch_size, augmented=config.augment, shuffle=False
    )
    batches = [Batch(*feed.training(t)) for t in range(1, max(STEPS, step) + 1)]
    return Meant(graph, config, batches, feed.steps_per_epoch, init_seed)


def parties_for(meant: Meant, folder: Path, profile: str) -> tuple[Party, Party]:
    """Both pipelines: phase 2 is fed what its script reads from the folder, phase 3 what its runner does."""
    conventions = PROFILES[profile]
    script = Phase2(meant.graph, meant.config, "f32", conventions["phase2"], meant.init_seed).script
    return (
        Party("phase2", meant, conventions=conventions["phase2"], batches=_read_by(script, folder, meant)),
        Party("phase3", meant, conventions=conventions["phase3"]),
    )


def _read_by(script: Any, folder: Path, meant: Meant) -> list[Batch]:
    data = script.load_data(folder)
    size, batches = meant.config.batch_size, []
    for t in range(1, len(meant.batches) + 1):
        epoch, place = divmod(t - 1, meant.steps_per_epoch)
        rows = np.arange(place * size, (place + 1) * size)
        epochs = (epoch,) if meant.config.augment else ()
        x = script.make_batch(data.images, rows, *epochs)
        batches.append(Batch(np.asarray(x), data.labels[rows].astype(np.int32)))
    return batches
