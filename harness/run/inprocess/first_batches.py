"""The batches of the first steps of a run."""

from dataclasses import dataclass
from pathlib import Path

from harness.data.dataset import read_data
from harness.data.feed import BatchFeed
from harness.run.inprocess.side import Batch
from harness.spec.netspec import DType, TrainConfig
from harness.spec.shapes import Graph


@dataclass(frozen=True)
class FirstBatches:
    """Batches, one per step, and the facts about them that go on record."""

    batches: tuple[Batch, ...]
    steps_per_epoch: int
    dataset: str
    data_sha256: str


def open_feed(graph: Graph, config: TrainConfig, folder: Path, dtype: DType, *, shuffle: bool = False) -> BatchFeed:
    """The training data of a network as both pipelines feed them. `folder`: of the data.

    Raises: DataError when the data cannot be read or make no batch.
    """
    spec = graph.spec
    return BatchFeed(
        read_data(folder, spec.dataset, spec.input_shape),
        spec.dataset,
        spec.input_shape,
        dtype,
        config.batch_size,
        augmented=config.augment,
        shuffle=shuffle,
    )


def first_batches(graph: Graph, config: TrainConfig, folder: Path, steps: int, dtype: DType = "f32") -> FirstBatches:
    """The batches of the first steps in file order.

    Raises: DataError when the data cannot be read or make no batch.
    """
    feed = open_feed(graph, config, folder, dtype)
    batches = tuple(Batch(*feed.training(step)) for step in range(1, steps + 1))
    return FirstBatches(batches, feed.steps_per_epoch, feed.data.name, feed.data.data_sha256)
