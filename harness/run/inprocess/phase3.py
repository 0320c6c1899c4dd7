"""The side of the emitted modules: gradients derived by hand, compiled by IREE for the CPU."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.emit.instruments import Instruments
from harness.emit.phase3 import emit_phase3
from harness.emit.train_step import emit_logits, emit_train_step
from harness.emit.update import emit_update
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess.side import Array, Batch, Moved, Side, Step, Tapped, Tensors, Training, enumerate_steps
from harness.run.iree_device import Device
from harness.run.iree_runner import learning_rate
from harness.run.trainer import Executor, Trainer


class Phase3(Side):
    """The modules, compiled when first called, which raises EmitError where that fails."""

    pipeline = "phase3"

    def _emit(self, instruments: Instruments) -> None:
        facts = self.graph, self.config, self.dtype, self.conventions
        _, self.plan = emit_phase3(*facts, rules=self.rules, init_seed=self.init_seed)
        # Without what observes it, which compiles for long.
        self.text = emit_train_step(*facts, rules=self.rules, observed=False, instruments=instruments)
        self._train_step: Executor | None = None
        self._logits: dict[int, Executor] = {}

    def learning_rate(self, t: int, steps_per_epoch: int) -> np.float32:
        """The runner's, by the plan that it was emitted with."""
        return learning_rate(self.plan.config, t, steps_per_epoch)

    def begin(self, initial: Array | None = None) -> Training:
        """By the modules' `train_step`."""
        if self._train_step is None:
            self._train_step = self._device(self.text, "train_step")
        device = self._train_step
        return _ModuleTraining(self, device, Trainer(device, self.plan, self.initial() if initial is None else initial))

    def logits(self, step: Step, x: Array) -> Array:
        """By the modules' `logits`, compiled for as many images."""
        n = len(x)
        if n not in self._logits:
            text = emit_logits(self.graph, n, self.dtype, self.conventions, rules=self.rules)
            self._logits[n] = self._device(text, "logits")
        device, stats = self._logits[n], [state.name for state in self.graph.states]
        # By name: a step of the other side has its statistics in another order.
        state = [*(step.params[name] for name in self.names), *(step.stats[name] for name in stats)]
        (logits,) = device.call("logits", [device.put(tensor) for tensor in (*state, x)])
        return device.get(logits)

    def tapped(self, batches: Sequence[Batch], rates: Sequence[np.float32]) -> Tapped:
        """By a second module's `train_step`, behind steps of this one."""
        facts = self.graph, self.config, self.dtype, self.conventions
        text = emit_train_step(*facts, rules=self.rules, observed=False, instruments=Instruments(taps=True))
        device = self._device(text, "train_step with taps")
        *before, (t, batch, rate) = enumerate_steps(batches, rates)
        plain = self._device(self.text, "train_step") if before else device
        trainer = Trainer(plain, self.plan, self.initial())
        for earlier, previous, at in before:
            trainer.step(previous.x, previous.labels, at, earlier)
        last = [batch.x, batch.labels, np.array(rate, self.kind), np.array(t, self.kind)]
        loss, *results = map(device.get, device.call("train_step", [*trainer.state, *map(device.put, last)]))
        n, nodes = len(self.names), [node.name for node in self.graph.nodes]
        grads = results[len(trainer.state) :]
        values, cotangents = grads[n : n + len(nodes)], grads[n + len(nodes) :]
        return Tapped(
            Step(float(loss), self._named(grads[:n]), self._named(results[:n])),
            dict(zip(nodes, values, strict=True)),
            dict(zip(nodes, cotangents, strict=True)),
        )

    def update(self, params: Tensors, gradients: Sequence[Tensors]) -> list[Moved]:
        """The modules' `update`, emitted for just these parameters."""
        some = replace(self.graph, params=tuple(p for p in self.graph.params if p.name in params))
        names = [p.name for p in some.params]
        text = emit_update(some, self.config, self.dtype, self.conventions, rules=self.rules)
        device = self._device(text, "update")
        kind = params[names[0]].dtype
        rate = device.put(np.array(np.float32(self.config.lr), kind))
        slot_names = [f"{name}.{slot}" for slot in self.config.optimizer.slots for name in names]
        state = [device.put(params[name]) for name in names]
        state += [device.put(np.zeros_like(params[name])) for _ in self.config.optimizer.slots for name in names]
        moved = []
        for t, grads in enumerate(gradients, 1):
            inputs = [device.put(grads[name]) for name in names]
            state = device.call("update", [*state, *inputs, rate, device.put(np.array(t, kind))])
            found = [device.get(view) for view in state]
            slots = dict(zip(slot_names, found[len(names) :], strict=True))
            moved.append(Moved(dict(zip(names, found, strict=False)), slots))
        return moved

    def _device(self, text: str, what: str) -> Executor:
        backend = BACKENDS["cpu"]
        module = compile_module(text, backend.compile_flags(), f"{self.graph.spec.name}, {what}")
        return Device(backend.hal_device, [module.path])

    def _named(self, tensors: Any) -> Tensors:
        return dict(zip(self.names, tensors, strict=True))


class _ModuleTraining(Training):
    """The modules' state on their device."""

    def __init__(self, side: Phase3, device: Executor, trainer: Trainer) -> None:
        self._device, self._trainer = device, trainer
        self._params, self._stats = side.names, [state.name for state in side.graph.states]

    def step(self, t: int, batch: Batch, rate: np.float32) -> Step:
        trainer = self._trainer
        loss, grads = trainer.step(batch.x, batch.labels, rate, t)
        kept = trainer.state[len(trainer.state) - len(self._stats) :]
        found = ((self._params, grads), (self._params, trainer.parameters), (self._stats, kept))
        named = [dict(zip(names, map(self._device.get, views), strict=True)) for names, views in found]
        return Step(float(loss), *named)

    def get_state(self) -> Tensors:
        return self._trainer.get_state()

    def set_state(self, tensors: Tensors) -> None:
        self._trainer.set_state(tensors)
