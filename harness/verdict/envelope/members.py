"""Runs of one network that differ by rounding only: the members of an ensemble."""

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from harness.emit.header import header_facts
from harness.emit.jax_builder import JaxBuilder
from harness.emit.jax_script import emit_jax_script
from harness.nn.rules import registered_rules
from harness.run.inprocess import SHARED, Array, FirstBatches, script_module
from harness.spec.netspec import Conventions, TrainConfig
from harness.spec.shapes import Graph
from harness.trace.format import StepLine, Trace, TraceHeader, to_number
from harness.verdict.envelope.builders import LoweredBuilder, NoisyBuilder, RaisedBuilder, ReversedBuilder
from harness.verdict.envelope.plan import EnsembleMember, Program

BUILDERS: dict[Program, type[JaxBuilder]] = {
    "plain": JaxBuilder,
    "noisy": NoisyBuilder,
    "reversed": ReversedBuilder,
    "raised": RaisedBuilder,
    "lowered": LoweredBuilder,
}
_BEYOND: dict[Program, float] = {"raised": np.inf, "lowered": -np.inf}  # to which side of the rate the member's lies

_Seen = tuple[Array, ...]  # of a step: the loss, norms of gradients and updates, and then their projections


class Members:
    """The programs of a network in f32, each made when a member first needs it, and their feed.

    One member runs after another: together, under `vmap`, they are hardly faster on a CPU where all layers are dense,
    and three times slower where there are convolutions, which batched weights turn into grouped ones.
    """

    def __init__(
        self, graph: Graph, config: TrainConfig, feed: FirstBatches, conventions: Conventions = SHARED
    ) -> None:
        self.graph, self.config, self.feed, self.conventions = graph, config, feed, conventions
        self._programs: dict[Program, tuple[Any, Any]] = {}

    def run(self, member: EnsembleMember, initial: Array) -> Trace:
        """The member's training steps from near `initial`, as the trace that a cell would have written of them.

        Shapes: initial (total_params,) f32.
        """
        script, step = self._program(member.program)
        params = jax.device_put(script.unflatten(moved(initial, member.ulps, member.number)))
        slots = {slot: jax.tree.map(jnp.zeros_like, params) for slot in script.SLOTS}
        stats = {name: jnp.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}
        rates = [script.learning_rate(t, self.feed.steps_per_epoch) for t in range(1, member.steps + 1)]
        if member.program in _BEYOND:
            rates = [np.nextafter(rate, np.float32(_BEYOND[member.program])) for rate in rates]
        seen = []
        for t, (batch, rate) in enumerate(zip(self.feed.batches, rates, strict=False), 1):
            found, params, slots, stats = step(params, slots, stats, batch.x, batch.labels, rate, np.float32(t))
            seen.append(found)
        return self._trace(member, rates, jax.device_get(seen))

    def step_seconds(self, initial: Array) -> float:
        """The time that a plain training step takes once it is compiled."""
        one = EnsembleMember("plain", 0, 0, 1)
        self.run(one, initial)
        started = time.perf_counter()
        self.run(one, initial)
        return time.perf_counter() - started

    def _program(self, program: Program) -> tuple[Any, Any]:
        if program not in self._programs:
            source = emit_jax_script(
                self.graph,
                self.config,
                "f32",
                self.conventions,
                command="harness envelope",
                rules=registered_rules(),
                builder=BUILDERS[program],
            )
            script = script_module(source)
            self._programs[program] = script, jax.jit(_observed_step(script), donate_argnums=(0, 1, 2))
        return self._programs[program]

    def _trace(self, member: EnsembleMember, rates: Sequence[np.float32], seen: Sequence[_Seen]) -> Trace:
        facts = header_facts(self.graph, self.config, "f32", self.conventions, "phase2")
        names = [p.name for p in self.graph.params]
        lines = {}
        for number, (rate, (loss, *by_tensor)) in enumerate(zip(rates, seen, strict=True), 1):
            named = (dict(zip(names, map(to_number, values.tolist()), strict=True)) for values in by_tensor)
            grad_norms, update_norms, grad_projections, update_projections = named
            lines[number] = StepLine(
                kind="step",
                step=number,
                epoch=0,
                loss=to_number(float(loss)),
                lr=to_number(float(rate)),
                grad_norms=grad_norms,
                update_norms=update_norms,
                grad_projections=grad_projections,
                update_projections=update_projections,
            )
        return Trace(
            path=f"{self.graph.spec.name}, {member.program} member {member.number}",
            header=msgspec.convert(facts | {"backend": "cpu", "planned_steps": len(lines)}, TraceHeader),
            epoch=np.zeros(len(lines), np.int64),
            loss=np.array([loss for loss, *_ in seen], np.float64),
            lr=np.array(rates, np.float64),
            lines=lines,
        )


def _observed_step(script: Any) -> Any:
    """A training step that gives what is seen of it instead of the gradients."""

    def step(params: Any, slots: Any, stats: Any, x: Any, labels: Any, lr: Any, t: Any) -> Any:
        gradient = jax.value_and_grad(script.loss_function, has_aux=True)
        (loss, new_stats), grads = gradient(params, stats, x, labels, t)
        new_params, new_slots = script.update(params, slots, grads, lr, t)
        moves = {name: new_params[name] - params[name] for name in params}
        seen = (of(tensors) for of in (script.norms, script.projections) for tensors in (grads, moves))
        return (loss, *seen), new_params, new_slots, new_stats

    return step


def moved(parameters: Array, ulps: int, number: int) -> Array:
    """Parameters of which each is moved by so many ulps up, down or not at all, at random; zeros stay.

    `number`: the seed. Shapes: parameters and the result (total_params,) f32.
    """
    words = parameters.view(np.int32)
    by = np.random.default_rng(number).integers(-1, 2, words.shape, np.int32) * np.int32(ulps)
    inside = (np.abs(parameters).view(np.int32) > ulps) & np.isfinite(parameters)
    return np.where(inside, words + by, words).astype(np.int32).view(np.float32)
