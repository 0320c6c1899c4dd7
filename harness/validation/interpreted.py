"""Phase 3's training steps in the StableHLO reference interpreter, which shares no compiler with anything."""

from collections.abc import Sequence

import numpy as np

from harness.run.inprocess import Array, Batch, Phase3, Step
from harness.run.inprocess.reference_interpreter import interpret


def train_interpreted(
    side: Phase3, batches: Sequence[Batch], rates: Sequence[np.float32], initial: Array
) -> list[Step]:
    """One training step a batch, by the text that IREE compiles, from slots and running statistics of zero.

    Shapes: initial (total_params,).
    """
    parameters = side.split(initial)
    state = [*parameters, *(np.zeros_like(p) for _ in side.config.optimizer.slots for p in parameters)]
    state = [x.astype(side.kind) for x in (*state, *(np.zeros(s.shape) for s in side.graph.states))]
    n, steps = len(parameters), []
    for t, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
        feed = [batch.x, batch.labels, np.array(rate, side.kind), np.array(t, side.kind)]
        loss, *results = interpret(side.text, "train_step", [*state, *feed])
        state = results[:-n]
        grads, params = (dict(zip(side.names, tensors, strict=True)) for tensors in (results[-n:], state[:n]))
        kept = zip(side.graph.states, state[len(state) - len(side.graph.states) :], strict=True)
        steps.append(Step(float(loss), grads, params, {statistic.name: x for statistic, x in kept}))
    return steps
