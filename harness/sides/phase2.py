"""The side of the emitted script: gradients by autodiff, compiled by XLA."""

import hashlib
import types
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from harness.emit.jax_script import emit_jax_script
from harness.shapes import Graph
from harness.sides.side import SHARED, Array, Batch, Moved, Side, Step, Tensors
from harness.spec import Conventions, DType, TrainConfig


class Phase2(Side):
    """The script as a module. One in f64 turns JAX's double precision on for the whole process, for good.

    Raises: RuleError for a missing rule.
    """

    pipeline = "phase2"

    def __init__(
        self, graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions = SHARED, init_seed: int = 42
    ) -> None:
        super().__init__(graph, config, dtype, conventions, init_seed)
        self.source = emit_jax_script(graph, config, dtype, conventions, command="harness", init_seed=init_seed)
        self.script = script_module(self.source)

    def learning_rate(self, t: int, steps_per_epoch: int) -> np.float32:
        """The script's own."""
        rate: np.float32 = self.script.learning_rate(t, steps_per_epoch)
        return rate

    def train(self, batches: Sequence[Batch], rates: Sequence[np.float32], initial: Array | None = None) -> list[Step]:
        """One training step a batch, by the script's `train_step`."""
        script = self.script
        params = jax.device_put(script.unflatten(self.initial() if initial is None else initial))
        slots = {slot: jax.tree.map(jax.numpy.zeros_like, params) for slot in script.SLOTS}
        stats = {name: jax.numpy.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}
        steps = []
        for t, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
            loss, params, slots, stats, grads = script.train_step(
                params, slots, stats, batch.x, batch.labels, script.DTYPE(rate), script.DTYPE(t)
            )
            steps.append(Step(float(loss), self._on_host(grads), self._on_host(params)))
        return steps

    def update(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The script's `update`."""
        script, update = self.script, jax.jit(self.script.update)
        slots = {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in script.SLOTS}
        moved = []
        for t, grads in enumerate(gradients, 1):
            params, slots = update(params, slots, grads, script.DTYPE(np.float32(script.LR)), script.DTYPE(t))
            named = {f"{name}.{slot}": np.asarray(x) for slot in script.SLOTS for name, x in slots[slot].items()}
            moved.append(Moved({name: np.asarray(p) for name, p in params.items()}, named))
        return moved

    def _on_host(self, tensors: Any) -> Tensors:
        # Copies: what the next step is given for good must not be read any more.
        return {name: np.array(tensors[name]) for name in self.names}


def script_module(source: str) -> types.ModuleType:
    """An emitted script as a module; its `main` does not run."""
    name = f"script_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    module = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module
