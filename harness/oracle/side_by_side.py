"""Both programs of one network in this process, fed alike: losses, gradients and parameters of the first steps."""

import hashlib
import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from harness.backends import BACKENDS
from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.emit.train_step import emit_train_step, emit_update
from harness.initbin import initial_parameters
from harness.oracle.third_opinion import interpret
from harness.run.compile import compile_module
from harness.run.iree_runner import Device, Trainer, learning_rate
from harness.shapes import Graph, size
from harness.spec import Conventions, DType, TrainConfig

Array = npt.NDArray[Any]
Tensors = dict[str, Array]
SHARED = Conventions()


@dataclass(frozen=True)
class Batch:
    """What one step is fed. Shapes: x (B, *input), labels (B,) i32."""

    x: Array
    labels: Array


@dataclass(frozen=True)
class Step:
    """One step of one side: the loss and the gradients before the update, the parameters after it."""

    loss: float
    grads: Tensors
    params: Tensors


@dataclass(frozen=True)
class Moved:
    """Parameters and optimizer slots after an update; slots are called `param.slot`."""

    params: Tensors
    slots: Tensors


class SideBySide:
    """The emitted script and the emitted modules of one network.

    Each side runs its own program with its own learning rate; both start from the same parameters.

    Raises: RuleError for a missing rule; EmitError when a module does not verify or compile.
    """

    def __init__(
        self, graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions = SHARED, init_seed: int = 42
    ) -> None:
        self.graph, self.config, self.dtype = graph, config, dtype
        self.names = [p.name for p in graph.params]
        self._conventions = conventions
        self.script = script_module(emit_jax_script(graph, config, dtype, conventions, command="harness oracle"))
        _, self.plan = emit_phase3(graph, config, dtype, conventions, init_seed=init_seed)
        self.train_step = emit_train_step(graph, config, dtype, conventions, observed=False)  # norms compile for long
        self.initial = np.concatenate([p.ravel() for p in initial_parameters(graph.params, init_seed)])

    def phase2(self, batches: Sequence[Batch], steps_per_epoch: int) -> list[Step]:
        """One training step a batch, by the script."""
        script = self.script
        params = jax.device_put(script.unflatten(self.initial))
        slots = {slot: jax.tree.map(jax.numpy.zeros_like, params) for slot in script.SLOTS}
        stats = {name: jax.numpy.zeros(shape, script.DTYPE) for name, shape in script.STATS.items()}
        steps = []
        for t, batch in enumerate(batches, 1):
            rate = script.DTYPE(script.learning_rate(t, steps_per_epoch))
            loss, params, slots, stats, grads = script.train_step(
                params, slots, stats, batch.x, batch.labels, rate, script.DTYPE(t)
            )
            steps.append(Step(float(loss), self._on_host(grads), self._on_host(params)))
        return steps

    def phase3(self, batches: Sequence[Batch], steps_per_epoch: int) -> list[Step]:
        """One training step a batch, by the modules on IREE's CPU."""
        device = self._device(self.train_step, "train_step")
        trainer = Trainer(device, self.plan, self.initial)
        config = SimpleNamespace(**self.plan["config"])
        steps = []
        for t, batch in enumerate(batches, 1):
            loss, grads = trainer.step(batch.x, batch.labels, learning_rate(config, t, steps_per_epoch), t)
            found, params = ([device.get(view) for view in views] for views in (grads, trainer.parameters))
            steps.append(Step(float(loss), self._named(found), self._named(params)))
        return steps

    def interpreted(self, batch: Batch, steps_per_epoch: int) -> Step:
        """Step 1 of the modules in the StableHLO interpreter."""
        kind = np.float32 if self.dtype == "f32" else np.float64
        shapes = [p.shape for p in self.graph.params]
        ends = np.cumsum([size(shape) for shape in shapes])
        arguments = [part.reshape(shape) for part, shape in zip(np.split(self.initial, ends[:-1]), shapes, strict=True)]
        arguments += [np.zeros(shape) for _ in self.config.optimizer.slots for shape in shapes]
        arguments += [np.zeros(s.shape) for s in self.graph.states]
        rate = learning_rate(SimpleNamespace(**self.plan["config"]), 1, steps_per_epoch)
        fed = [batch.x, batch.labels, np.array(rate, kind), np.array(1, kind)]
        loss, *results = interpret(self.train_step, "train_step", [*(a.astype(kind) for a in arguments), *fed])
        n = len(shapes)
        return Step(float(loss), self._named(results[-n:]), self._named(results[:n]))

    def update_phase2(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The script's `update` alone, on some parameters, from slots of zero, once for each set of gradients."""
        script, update = self.script, jax.jit(self.script.update)
        slots = {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in script.SLOTS}
        moved = []
        for t, grads in enumerate(gradients, 1):
            params, slots = update(params, slots, grads, script.DTYPE(np.float32(script.LR)), script.DTYPE(t))
            named = {f"{name}.{slot}": np.asarray(x) for slot in script.SLOTS for name, x in slots[slot].items()}
            moved.append(Moved({name: np.asarray(p) for name, p in params.items()}, named))
        return moved

    def update_phase3(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The same by the modules' `update`."""
        some = replace(self.graph, params=tuple(p for p in self.graph.params if p.name in params))
        names = [p.name for p in some.params]
        device = self._device(emit_update(some, self.config, self.dtype, self._conventions), "update")
        kind = params[names[0]].dtype
        rate = device.put(np.array(np.float32(self.config.lr), kind))
        slot_names = [f"{name}.{slot}" for slot in self.config.optimizer.slots for name in names]
        state = [device.put(params[name]) for name in names]
        state += [device.put(np.zeros_like(params[name])) for _ in self.config.optimizer.slots for name in names]
        moved = []
        for t, grads in enumerate(gradients, 1):
            fed = [device.put(grads[name]) for name in names]
            state = device.call("update", [*state, *fed, rate, device.put(np.array(t, kind))])
            found = [device.get(view) for view in state]
            slots = dict(zip(slot_names, found[len(names) :], strict=True))
            moved.append(Moved(dict(zip(names, found, strict=False)), slots))
        return moved

    def _device(self, text: str, what: str) -> Device:
        backend = BACKENDS["cpu"]
        module = compile_module(text, backend.compile_flags(), f"{self.graph.spec.name}, {what}")
        return Device(backend.hal_device, [module.path])

    def _on_host(self, tensors: Any) -> Tensors:
        return {name: np.asarray(tensors[name]) for name in self.names}

    def _named(self, tensors: Any) -> Tensors:
        return dict(zip(self.names, tensors, strict=True))


def script_module(source: str) -> types.ModuleType:
    """An emitted script as a module; its `main` does not run. A script in f64 turns double precision on for good."""
    name = f"script_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    module = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module
