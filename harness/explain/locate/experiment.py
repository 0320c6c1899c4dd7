"""The experiment that both sides are to run: network, configuration, batches and the start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.initial_parameters import initial_parameters
from harness.nn.cases import OracleCase
from harness.run.inprocess import Batch, Tensors, first_batches
from harness.spec.netspec import TrainConfig
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph

STEPS = 3


@dataclass(frozen=True)
class Experiment:
    """The facts that both sides share. `batches`: one per step, in f32."""

    graph: Graph
    config: TrainConfig
    batches: Sequence[Batch]
    steps_per_epoch: int
    init_seed: int = DEFAULT_INIT_SEED

    def initial_parameters(self) -> Tensors:
        """The parameters that both sides start from, in f64."""
        table = self.graph.params
        drawn = initial_parameters(table, self.init_seed)
        return {p.name: values.astype(np.float64) for p, values in zip(table, drawn, strict=True)}


def experiment_for(case: OracleCase, folder: Path, step: int, init_seed: int) -> Experiment:
    """The experiment of a case, with the batches up to a step in file order, three at least.

    Raises: DataError when the data cannot be read or make no batch.
    """
    graph = case.graph()
    first = first_batches(graph, case.config, folder, max(STEPS, step))
    return Experiment(graph, case.config, first.batches, first.steps_per_epoch, init_seed)
