"""The batches of the first steps of a run."""

from dataclasses import dataclass
from pathlib import Path

from harness.data.dataset import read_data
from harness.data.feed import BatchFeed
from harness.run.inprocess import Batch
from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph


@dataclass(frozen=True)
class FirstBatches:
    """Batches, and what goes on record about them."""

    batches: tuple[Batch, ...]
    steps_per_epoch: int
    dataset: str
    data_sha256: str


def first_batches(graph: Graph, config: TrainConfig, folder: Path, steps: int) -> FirstBatches:
    """The batches of the first steps in file order, f32.

    Raises: DataError.
    """
    spec = graph.spec
    data = read_data(folder, spec.dataset, spec.input_shape)
    feed = BatchFeed(
        data, spec.dataset, spec.input_shape, "f32", config.batch_size, augmented=config.augment, shuffle=False
    )
    batches = tuple(Batch(*feed.training(step)) for step in range(1, steps + 1))
    return FirstBatches(batches, feed.steps_per_epoch, data.name, data.data_sha256)
