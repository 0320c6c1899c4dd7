"""One side of a network, and what it was fed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.initial_parameters import initial_parameters
from harness.explain.alone import Emitted
from harness.explain.alone_phase2 import AlonePhase2
from harness.explain.alone_phase3 import AlonePhase3
from harness.run.inprocess import SHARED, Batch, Phase2, Phase3, Side
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph

DTYPES: tuple[DType, ...] = ("f64", "f32")


@dataclass(frozen=True)
class Meant:
    """What was to be run: the facts that both parties share. `batches`: one a step, in f32."""

    graph: Graph
    config: TrainConfig
    batches: Sequence[Batch]
    steps_per_epoch: int
    init_seed: int = DEFAULT_INIT_SEED


class Party:
    """The programs of one side, whole and in pieces, in both dtypes.

    `conventions`, `batches`, `rates` and `rules` are what the side really goes by; without the last three it is fed
    what is meant, at its own rates, and emitted by the registered rules.

    Raises: RuleError for a missing rule; EmitError when a module does not verify or compile.
    """

    def __init__(
        self,
        pipeline: str,
        meant: Meant,
        *,
        conventions: Conventions = SHARED,
        batches: Sequence[Batch] | None = None,
        rates: Sequence[float] | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.pipeline, self.meant, self.conventions, self.rules = pipeline, meant, conventions, rules
        self.batches = meant.batches if batches is None else batches
        self.sides: dict[DType, Side] = {}
        self.alone: dict[DType, Emitted] = {}
        for dtype in DTYPES:
            self.sides[dtype], self.alone[dtype] = self._made(dtype)
        own = self.sides["f64"].rates(len(self.batches), meant.steps_per_epoch)
        self.rates = [float(rate) for rate in (own if rates is None else rates)]

    def _made(self, dtype: DType) -> tuple[Side, Emitted]:
        made = (self.meant.graph, self.meant.config, dtype, self.conventions, self.meant.init_seed)
        if self.pipeline == "phase2":
            phase2 = Phase2(*made, rules=self.rules)
            return phase2, AlonePhase2(phase2)
        phase3 = Phase3(*made, rules=self.rules)
        return phase3, AlonePhase3(phase3)


def initial(meant: Meant) -> dict[str, np.ndarray]:
    """The parameters that both sides start from, in f64."""
    table = meant.graph.params
    drawn = initial_parameters(table, meant.init_seed)
    return {p.name: values.astype(np.float64) for p, values in zip(table, drawn, strict=True)}
