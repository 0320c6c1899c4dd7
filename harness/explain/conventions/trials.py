"""Phase 2 step by step under sets of switches; what several sets share is compiled and computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.explain.conventions.judge import Reading
from harness.explain.conventions.practice import GradientFacts, Practice
from harness.explain.conventions.switches import Switches, applied
from harness.run.inprocess import Array, Batch, Tensors
from harness.spec.netspec import DType, TrainConfig
from harness.spec.shapes import Graph
from harness.trace.projection import project

Numbers = dict[str, dict[str, float]]  # by key of a trace's step and by tensor


@dataclass(frozen=True)
class TrialFeed:
    """The feed of both sides. `batch(t)`: the batch of step t, from 1. Shapes: initial (total_params,), f32."""

    batch: Callable[[int], Batch]
    steps_per_epoch: int
    initial: Array


class Trials:
    """Phase 2 of one network in one dtype, in three programs: loss, loss with gradients, update.

    So switches of the update share the gradients' program and its first step, and what differs in the first loss costs
    a forward pass. Each is a function of the emitted script. An update is compiled only for a set that is not beyond
    its bounds already by what the uncompiled function gives.
    """

    def __init__(self, graph: Graph, config: TrainConfig, dtype: DType, feed: TrialFeed) -> None:
        self.graph, self.config, self.dtype, self.feed = graph, config, dtype, feed
        self.names = [p.name for p in graph.params]
        self._losses: dict[Switches, Any] = {}
        self._gradients: dict[Switches, Any] = {}
        self._updates: dict[Switches, Any] = {}
        self._first: dict[Switches, Any] = {}
        self._first_numbers: dict[tuple[Switches, frozenset[str]], Numbers] = {}

    def run(self, switches: Switches, steps: int, keys: Callable[[int], frozenset[str]]) -> Iterator[Reading]:
        """The first steps, one by one, with what `keys(t)` asks for; provisional readings of the first come before it.

        Computed when asked for, no earlier.
        """
        practice = applied(switches, self.config)
        side = practice.side(self.graph, self.dtype)
        script, per_epoch = side.script, self.feed.steps_per_epoch
        network = frozenset(switch for switch in switches if switch.before_update)
        program = frozenset(switch for switch in switches if "network" in switch.parts)
        moving = frozenset(switch for switch in switches if "update" in switch.parts)
        params = script.unflatten(self.feed.initial)
        slots = {slot: jax.tree.map(np.zeros_like, params) for slot in script.SLOTS}
        stats = _first_statistics(practice, script)
        for t in range(1, steps + 1):
            x = practice.fed(self.feed.batch(t), self.graph.spec)
            rate = practice.rate(side, t, per_epoch)
            inputs = (params, stats, x.x, x.labels, script.DTYPE(t))
            if t == 1 and network not in self._first:
                if any(switch.stage in ("data", "forward") for switch in network):
                    forward = self._losses.setdefault(program, jax.jit(script.loss_function))
                    yield Reading(1, float(forward(*inputs)[0]), float(rate), provisional=True)
                self._first[network] = self._step(practice, program, script, inputs)
            computed = self._first[network] if t == 1 else self._step(practice, program, script, inputs)
            loss, stats, grads = computed
            before, wanted = params, keys(t)
            numbers = self._numbers_before_update(network, t, wanted, grad=grads, param=before, stat=stats)
            arguments = (params, slots, grads, script.DTYPE(rate), script.DTYPE(t))
            if moving not in self._updates and any(map(_of_update, wanted)):
                # Operation by operation, which rounds a little differently: most sets end here, uncompiled.
                moved, _ = script.update(*jax.tree.map(jnp.asarray, arguments))
                yield Reading(t, loss, float(rate), numbers | _moves(wanted, before, moved), provisional=True)
            update = self._updates.setdefault(moving, jax.jit(script.update))
            params, slots = update(*arguments)
            yield Reading(t, loss, float(rate), numbers | _moves(wanted, before, params) if wanted else None)

    def _numbers_before_update(self, network: Switches, t: int, keys: frozenset[str], **sources: Any) -> Numbers:
        """What sets that differ in the update alone have in common at the first step."""
        if t > 1:
            return _numbers(keys, **sources)
        if (network, keys) not in self._first_numbers:
            self._first_numbers[network, keys] = _numbers(keys, **sources)
        return self._first_numbers[network, keys]

    def _step(self, practice: Practice, program: Switches, script: Any, inputs: Any) -> tuple[float, Any, Tensors]:
        """Loss, running statistics and recorded gradients."""
        if program not in self._gradients:
            self._gradients[program] = jax.jit(jax.value_and_grad(script.loss_function, has_aux=True))
        (loss, stats), grads = self._gradients[program](*inputs)
        if practice.gradients:
            params = {name: np.asarray(p) for name, p in inputs[0].items()}
            decaying = [p.name for p in self.graph.params if practice.conventions.decays(p)]
            facts = GradientFacts(
                params, practice.config.batch_size, dict.fromkeys(decaying, np.float32(practice.config.weight_decay))
            )
            grads = {name: np.asarray(g) for name, g in grads.items()}
            for change in practice.gradients:
                grads = change(grads, facts)
        return float(loss), stats, grads


def _first_statistics(practice: Practice, script: Any) -> Tensors:
    first = practice.first_statistics
    return {
        name: np.full(shape, first.get(name.rpartition(".")[2], 0.0), script.DTYPE)
        for name, shape in script.STATS.items()
    }


def _of_update(key: str) -> bool:
    return key.startswith("update_")


def _moves(keys: frozenset[str], before: Any, after: Any) -> Numbers:
    if not any(map(_of_update, keys)):
        return {}
    return _numbers(keys, update={name: np.asarray(after[name]) - np.asarray(before[name]) for name in before})


def _numbers(keys: frozenset[str], **sources: Any) -> Numbers:
    """Norms and projections of the tensors of each source by key, those of `grad` for keys that begin with `grad_`."""
    numbers: Numbers = {}
    for source, tensors in sources.items():
        wanted = [key for key in keys if key.startswith(f"{source}_")]
        arrays = {name: np.asarray(x) for name, x in tensors.items()} if wanted else {}
        for key in wanted:
            of = project if key.endswith("projections") else _norm
            numbers[key] = {name: of(name, x) for name, x in arrays.items()}
    return {key: by_name for key, by_name in numbers.items() if by_name}


def _norm(name: str, x: Array) -> float:
    return float(np.linalg.norm(x.astype(np.float64).ravel()))
