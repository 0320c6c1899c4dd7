"""The side of the emitted script: gradients by autodiff, compiled by XLA."""

import hashlib
import types
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from harness.emit.instruments import Instruments
from harness.emit.jax_model import PROBE, TAP
from harness.emit.jax_script import emit_jax_script
from harness.run.inprocess.side import Array, Batch, Moved, Side, Step, Tapped, Tensors, Training, enumerate_steps
from harness.spec.shapes import inner


class Phase2(Side):
    """The script as a module. One in f64 turns JAX's double precision on for the whole process, for good."""

    pipeline = "phase2"

    def _emit(self, instruments: Instruments) -> None:
        facts = self.graph, self.config, self.dtype, self.conventions
        self.source = emit_jax_script(
            *facts, command="harness", rules=self.rules, init_seed=self.init_seed, instruments=instruments
        )
        self.script = script_module(self.source)

    def learning_rate(self, t: int, steps_per_epoch: int) -> np.float32:
        """The script's own."""
        rate: np.float32 = self.script.learning_rate(t, steps_per_epoch)
        return rate

    def begin(self, initial: Array | None = None) -> Training:
        """By the script's `train_step`."""
        return _ScriptTraining(self, *self._start(initial))

    def logits(self, step: Step, x: Array) -> Array:
        """By the script's `forward_eval`."""
        params = {name: p.astype(self.kind) for name, p in step.params.items()}
        return np.asarray(jax.jit(self.script.forward_eval)(params, step.stats, x))

    def tapped(self, batches: Sequence[Batch], rates: Sequence[np.float32]) -> Tapped:
        """By the `tapped_step` of a second script, behind steps of this one."""
        tapped = self.instrumented(Instruments(taps=True)).script
        params, slots, stats = self._start(None)
        *before, (t, batch, rate) = enumerate_steps(batches, rates)
        for earlier, previous, at in before:
            _, params, slots, stats, _ = self.script.train_step(
                params, slots, stats, previous.x, previous.labels, self.kind(at), self.kind(earlier)
            )
        n = len(batch.x)
        zeros = {f"{PROBE}{node.name}": np.zeros(inner(n, node.out_shape), self.kind) for node in self.graph.nodes}
        loss, params, grads, values, cotangents = tapped.tapped_step(
            params, slots, stats, batch.x, batch.labels, self.kind(rate), self.kind(t), zeros
        )
        return Tapped(
            Step(float(loss), self._on_host(grads), self._on_host(params)),
            {node.name: np.asarray(values[f"{TAP}{node.name}"]) for node in self.graph.nodes},
            {node.name: np.asarray(cotangents[f"{PROBE}{node.name}"]) for node in self.graph.nodes},
        )

    def _start(self, initial: Array | None) -> tuple[Any, Any, Any]:
        """Parameters, slots and statistics before the first step."""
        script = self.script
        params = jax.device_put(script.unflatten(self.initial() if initial is None else initial))
        zeros = partial(jax.numpy.zeros_like, dtype=script.DTYPE)
        slots = {slot: jax.tree.map(zeros, params) for slot in script.SLOTS}
        return params, slots, {name: jax.numpy.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}

    def update(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The script's `update`."""
        script, update = self.script, jax.jit(self.script.update)
        slots = {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in script.SLOTS}
        rate, moved = script.DTYPE(np.float32(script.LEARNING_RATE)), []
        for t, grads in enumerate(gradients, 1):
            params, slots = update(params, slots, grads, rate, script.DTYPE(t))
            named = {f"{name}.{slot}": np.asarray(x) for slot in script.SLOTS for name, x in slots[slot].items()}
            moved.append(Moved({name: np.asarray(p) for name, p in params.items()}, named))
        return moved

    def _on_host(self, tensors: Any) -> Tensors:
        return _copies({name: tensors[name] for name in self.names})


class _ScriptTraining(Training):
    """The script's state on its device."""

    def __init__(self, side: Phase2, params: Any, slots: Any, stats: Any) -> None:
        self._names, self._script = side.names, side.script
        self._params, self._slots, self._stats = params, slots, stats

    def step(self, t: int, batch: Batch, rate: np.float32) -> Step:
        script = self._script
        loss, self._params, self._slots, self._stats, grads = script.train_step(
            self._params, self._slots, self._stats, batch.x, batch.labels, script.DTYPE(rate), script.DTYPE(t)
        )
        found = [_copies({name: tensors[name] for name in self._names}) for tensors in (grads, self._params)]
        return Step(float(loss), found[0], found[1], _copies(self._stats))

    def get_state(self) -> Tensors:
        slots = {f"{name}.{slot}": x for slot, of in self._slots.items() for name, x in of.items()}
        return _copies({**self._params, **slots, **self._stats})

    def set_state(self, tensors: Tensors) -> None:
        params, stats = ({name: tensors[name] for name in of} for of in (self._params, self._stats))
        slots = {slot: {name: tensors[f"{name}.{slot}"] for name in of} for slot, of in self._slots.items()}
        self._params, self._slots, self._stats = jax.device_put((params, slots, stats), may_alias=False)


def _copies(tensors: Any) -> Tensors:
    # What the next step is given for good must not be read any more.
    return {name: np.array(x) for name, x in tensors.items()}


def script_module(source: str) -> types.ModuleType:
    """An emitted script as a module; its `main` does not run."""
    name = f"script_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    module = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module
