"""Both sides of one network, started from the same parameters and fed alike; phase 3 also in the interpreter."""

from collections.abc import Sequence

from harness.run.inprocess import SHARED, Batch, Moved, Phase2, Phase3, Step, Tensors
from harness.spec.netspec import Conventions, DType, TrainConfig
from harness.spec.rules import Rules
from harness.spec.run_config import DEFAULT_INIT_SEED
from harness.spec.shapes import Graph
from harness.validation.interpreted import train_interpreted


class SideBySide:
    """Each side runs its own program with its own learning rate; both start from `initial`, which may be set.

    `rules`: what both are emitted by; None: the registered ones.

    Raises: RuleError for a missing rule; EmitError when a module does not verify or compile.
    """

    def __init__(
        self,
        graph: Graph,
        config: TrainConfig,
        dtype: DType,
        conventions: Conventions = SHARED,
        init_seed: int = DEFAULT_INIT_SEED,
        rules: Rules | None = None,
    ) -> None:
        self.graph, self.config, self.dtype = graph, config, dtype
        self.sides = (
            Phase2(graph, config, dtype, conventions, init_seed, rules=rules),
            Phase3(graph, config, dtype, conventions, init_seed, rules=rules),
        )
        self.initial = self.sides[0].initial()

    @property
    def train_step(self) -> str:
        """Phase 3's training step."""
        return self.sides[1].text

    def phase2(self, batches: Sequence[Batch], steps_per_epoch: int) -> list[Step]:
        """One training step a batch, by the script."""
        side = self.sides[0]
        return side.train(batches, side.rates(len(batches), steps_per_epoch), self.initial)

    def phase3(self, batches: Sequence[Batch], steps_per_epoch: int) -> list[Step]:
        """One training step a batch, by the modules on IREE's CPU."""
        side = self.sides[1]
        return side.train(batches, side.rates(len(batches), steps_per_epoch), self.initial)

    def interpreted(self, batch: Batch, steps_per_epoch: int) -> Step:
        """Step 1 of the modules in the StableHLO reference interpreter."""
        side = self.sides[1]
        return train_interpreted(side, [batch], side.rates(1, steps_per_epoch), self.initial)[0]

    def update_phase2(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The script's `update` alone, from slots of zero, once for each set of gradients."""
        return self.sides[0].update(params, gradients)

    def update_phase3(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The same by the modules."""
        return self.sides[1].update(params, gradients)
