"""One side of an experiment: its programs, and the batches and rates that it is really given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.explain.locate.experiment import Experiment
from harness.explain.locate.isolated import EmittedPieces
from harness.explain.locate.isolated_phase2 import IsolatedPhase2
from harness.explain.locate.isolated_phase3 import IsolatedPhase3
from harness.run.inprocess import SHARED, Batch, Phase2, Phase3, Side
from harness.spec.netspec import PROFILES, Conventions, DType
from harness.spec.rules import Rules

DTYPES: tuple[DType, ...] = ("f64", "f32")


class SideUnderTest:
    """The programs of one side in both dtypes: whole steps (`programs`), and pieces in isolation (`isolated`).

    `conventions`, `batches`, `rates` and `rules` are those that the side really has. Without the last three they are
    the batches of the experiment, the program's own rates, and the registered rules.

    Raises: RuleError for a missing rule; EmitError when a module does not verify or compile.
    """

    def __init__(
        self,
        pipeline: str,
        experiment: Experiment,
        *,
        conventions: Conventions = SHARED,
        batches: Sequence[Batch] | None = None,
        rates: Sequence[float] | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.pipeline, self.experiment, self.conventions, self.rules = pipeline, experiment, conventions, rules
        self.batches = experiment.batches if batches is None else batches
        self.programs: dict[DType, Side] = {}
        self.isolated: dict[DType, EmittedPieces] = {}
        for dtype in DTYPES:
            self.programs[dtype], self.isolated[dtype] = self._emit(dtype)
        own = self.programs["f64"].rates(len(self.batches), experiment.steps_per_epoch)
        self.rates = [float(rate) for rate in (own if rates is None else rates)]

    def _emit(self, dtype: DType) -> tuple[Side, EmittedPieces]:
        one = self.experiment
        facts = (one.graph, one.config, dtype, self.conventions, one.init_seed)
        if self.pipeline == "phase2":
            phase2 = Phase2(*facts, rules=self.rules)
            return phase2, IsolatedPhase2(phase2)
        phase3 = Phase3(*facts, rules=self.rules)
        return phase3, IsolatedPhase3(phase3)


def sides_for(experiment: Experiment, folder: Path, profile: str) -> tuple[SideUnderTest, SideUnderTest]:
    """Both pipelines: phase 2 with the batches that its script reads from the folder, phase 3 with its runner's."""
    conventions = PROFILES[profile]
    script = Phase2(experiment.graph, experiment.config, "f32", conventions["phase2"], experiment.init_seed).script
    batches = _read_by(script, folder, experiment)
    return (
        SideUnderTest("phase2", experiment, conventions=conventions["phase2"], batches=batches),
        SideUnderTest("phase3", experiment, conventions=conventions["phase3"]),
    )


def _read_by(script: Any, folder: Path, experiment: Experiment) -> list[Batch]:
    """The batches that a script reads by its own means."""
    data = script.load_data(folder)
    size, batches = experiment.config.batch_size, []
    for t in range(1, len(experiment.batches) + 1):
        epoch, place = divmod(t - 1, experiment.steps_per_epoch)
        rows = np.arange(place * size, (place + 1) * size)
        epochs = (epoch,) if experiment.config.augment else ()
        x = script.make_batch(data.images, rows, *epochs)
        batches.append(Batch(np.asarray(x), data.labels[rows].astype(np.int32)))
    return batches
