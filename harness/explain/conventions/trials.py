"""Phase 2 step by step under sets of switches; what several sets share is compiled and computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from harness.explain.conventions.readings import Reading
from harness.explain.conventions.switches import Switches, applied
from harness.run.inprocess import Array, Batch, Phase2
from harness.spec.netspec import DType, TrainConfig
from harness.spec.shapes import Graph


@dataclass(frozen=True)
class TrialFeed:
    """The feed of both sides. `batch(t)`: the batch of step t, from 1. Shapes: initial (total_params,), f32."""

    batch: Callable[[int], Batch]
    steps_per_epoch: int
    initial: Array


class Trials:
    """Phase 2 of one network in one dtype, in three programs: loss, loss with gradients, update.

    So switches of the update share the gradients' program and its first step, and what differs in the first loss costs
    a forward pass. Each is a function of the emitted script.
    """

    def __init__(self, graph: Graph, config: TrainConfig, dtype: DType, feed: TrialFeed) -> None:
        self.graph, self.config, self.dtype, self.feed = graph, config, dtype, feed
        self.names = [p.name for p in graph.params]
        self._losses: dict[Switches, Any] = {}
        self._gradients: dict[Switches, Any] = {}
        self._updates: dict[Switches, Any] = {}
        self._first: dict[Switches, Any] = {}
        self._norms: Any = None

    def run(
        self, switches: Switches, steps: int, normed: Callable[[int], bool], initial: Array | None = None
    ) -> Iterator[Reading]:
        """The readings of the first steps, one by one: losses, and where `normed(t)` norms of gradients and updates.

        Computed when asked for, no earlier. `initial`: other parameters than those of the feed.

        Shapes: initial (total_params,); readings (1,) of a loss, (parameters,) of norms.
        """
        config, conventions = applied(switches, self.config)
        side = Phase2(self.graph, config, self.dtype, conventions)
        script = side.script
        network = frozenset(switch for switch in switches if switch.stage != "update")
        params = script.unflatten(self.feed.initial if initial is None else initial)
        slots = {slot: jax.tree.map(np.zeros_like, params) for slot in script.SLOTS}
        stats = {name: np.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}
        update = self._updates.setdefault(switches - network, jax.jit(script.update))
        norms = self._norms = self._norms or script.norms
        for t in range(1, steps + 1):
            x, rate = self.feed.batch(t), script.DTYPE(side.learning_rate(t, self.feed.steps_per_epoch))
            inputs = (params, stats, x.x, x.labels, script.DTYPE(t))
            if t == 1 and initial is None:
                if network not in self._first and any(switch.stage == "forward" for switch in switches):
                    forward = self._losses.setdefault(network, jax.jit(script.loss_function))
                    yield Reading(1, "loss", np.array([forward(*inputs)[0]], np.float64))
                first = self._first.get(network)
                (loss, stats), grads = self._first[network] = first or self._gradient(network, script)(*inputs)
            else:
                (loss, stats), grads = self._gradient(network, script)(*inputs)
            yield Reading(t, "loss", np.array([loss], np.float64))
            if normed(t):
                yield Reading(t, "grad", np.asarray(norms(grads), np.float64))
            before = params
            params, slots = update(params, slots, grads, rate, script.DTYPE(t))
            if normed(t):
                moves = {name: params[name] - before[name] for name in params}
                yield Reading(t, "update", np.asarray(norms(moves), np.float64))

    def _gradient(self, network: Switches, script: Any) -> Any:
        if network not in self._gradients:
            self._gradients[network] = jax.jit(jax.value_and_grad(script.loss_function, has_aux=True))
        return self._gradients[network]


def perturbed_by_one_ulp(initial: Array, seed: int) -> Array:
    """Initial parameters in f32, each that is not zero moved up or down by 1 ulp at random.

    Shapes: (total_params,), both.
    """
    up = np.random.default_rng(seed).random(initial.shape) < 0.5
    far = np.where(up, np.inf, -np.inf).astype(np.float32)
    return np.where(initial == 0, initial, np.nextafter(initial, far))
