"""A training by a module's step: its state stays on a device, and is read and set by the network's names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import ContractError
from harness.module.task import Array
from harness.module.training.binding import TrainingStep
from harness.module.training.gradients import GradientSource, by_rate, from_moments, moment_of
from harness.module.training.layout import laid_out, to_module, to_network
from harness.run.trainer import Executor
from harness.run.weights import Weights
from harness.spec.netspec import Arithmetic


class StepWeights(Weights):
    """The state of a training by a step, and the step. `function`: of the module on the device.

    `gradient`: where gradients come from, None: nowhere.
    """

    def __init__(
        self, step: TrainingStep, device: Executor, function: str, dtype: Arithmetic, gradient: GradientSource | None
    ) -> None:
        self._step, self._device, self._function, self._dtype = step, device, function, dtype
        self._gradient = gradient
        self._float = np.dtype({"f32": np.float32, "f64": np.float64}[dtype])
        self._params = [param.name for param in step.model.graph.params]
        self._held = [self._put(np.zeros(tensor.shape), tensor.axes) for tensor in step.held]
        self._last: tuple[list[Any], list[Any], float] | None = None  # before a step, its arguments, its rate
        self._given: dict[str, Array] = {}  # slots that the module does without, as a state had them

    def take(self, x: Array, labels: Array, numbers: Mapping[str, float]) -> float:
        """One step; the loss before it. `numbers`: by the names of `harness.module.training.expression`."""
        step, arguments = self._step, self._arguments(x, labels, numbers)
        for tensor, view in zip(step.held, self._held, strict=True):
            arguments[tensor.argument] = view
        results = self._device.call(self._function, arguments)
        self._last = self._held, arguments, numbers["rate"]
        self._held = [results[tensor.result] for tensor in step.held]
        self._given = {}
        return float(self._device.get(results[step.loss]).reshape(()))

    def parameters(self) -> dict[str, Array]:
        """Copies, by the network's names, in its order and shapes."""
        return self._get(self._held, self._params)

    def gradients(self) -> dict[str, Array]:
        """Of the last step, where they can be told to a few roundings; otherwise none."""
        source = self._gradient
        return self._of_last_step() if source is not None and source.serves_channels(self._dtype) else {}

    def statistics(self) -> dict[str, Array]:
        """Running statistics."""
        return self._get(self._held, [state.name for state in self._step.model.graph.states])

    def state(self) -> dict[str, Array]:
        """Parameters, slots and running statistics."""
        held = self._get(self._held, [tensor.name for tensor in self._step.held])
        if not self._step.missing:
            return held
        zeros = {name: np.zeros(held[name].shape, self._float) for name in self._params}
        (slot,) = self._step.missing  # the gradient itself
        own = zeros if self._last is None else self._of_last_step()
        made = {f"{name}.{slot}": self._given.get(f"{name}.{slot}", own[name]) for name in self._params}
        return {
            **{name: held[name] for name in self._params},
            **made,
            **{n: x for n, x in held.items() if n not in self._params},
        }

    def put(self, tensors: Mapping[str, Array], step: int | None) -> None:
        """Go on from a state, or begin with parameters. Raises: ContractError for what is missing or does not fit."""
        count = len(self._params) if step is None else len(self._held)
        for place, tensor in enumerate(self._step.held[:count]):
            self._held[place] = self._put(self._fitting(tensors, tensor.name, tensor.shape), tensor.axes)
        self._last = None
        if step is not None:
            shapes = {param.name: param.shape for param in self._step.model.graph.params}
            named = [(f"{name}.{slot}", shapes[name]) for slot in self._step.missing for name in self._params]
            self._given = {name: self._fitting(tensors, name, shape).astype(self._float) for name, shape in named}

    def _fitting(self, tensors: Mapping[str, Array], name: str, shape: Sequence[int]) -> Array:
        found = tensors.get(name)
        if found is None or found.shape != tuple(shape) or not np.can_cast(found.dtype, self._float):
            told = "nothing" if found is None else f"{found.dtype.name} of shape {list(found.shape)}"
            raise ContractError(f"{name} is {told} in the state, expected {self._float.name} of shape {list(shape)}.")
        return found

    def _put(self, array: Array, axes: tuple[int, ...]) -> Any:
        return self._device.put(to_module(array, axes).astype(self._float))

    def _get(self, views: Sequence[Any], names: Sequence[str]) -> dict[str, Array]:
        """Copies of those tensors, in their order in the state. `views`: of all of it, or of its beginning."""
        pairs = [(tensor, view) for tensor, view in zip(self._step.held, views, strict=False) if tensor.name in names]
        return {tensor.name: to_network(self._device.get(view), tensor.axes) for tensor, view in pairs}

    def _arguments(self, x: Array, labels: Array, numbers: Mapping[str, float]) -> list[Any]:
        """What a step is fed, on the device; None where a tensor of the state goes."""
        step, arguments = self._step, self._step.module.arguments
        fed: list[Any] = [None] * len(arguments)
        fed[step.images] = self._device.put(
            laid_out(x, step.image, step.layout).reshape(arguments[step.images].type.shape)
        )
        kind = arguments[step.labels].type
        hot = np.eye(step.model.spec.classes, dtype=self._float)
        given = hot[labels] if step.one_hot else labels.astype(kind.dtype).reshape(kind.shape)
        fed[step.labels] = self._device.put(given)
        for number, formula in step.formulas.items():
            kind = arguments[number].type
            dtype = self._float if kind.element == "f32" else kind.dtype
            fed[number] = self._device.put(np.full(kind.shape, formula(numbers)).astype(dtype))
        return fed

    def _of_last_step(self) -> dict[str, Array]:
        """The gradients of the last step, by whatever there is; empty before the first."""
        if self._last is None or self._gradient is None:
            return {}
        before, arguments, rate = self._last
        if self._gradient.kind == "moment":
            names = [f"{name}.{moment_of(self._step.model)}" for name in self._params]
            return from_moments(self._step.model, self._get(before, names), self._get(self._held, names))
        if self._gradient.kind == "increment":
            found = self._device.call(self._gradient.function, arguments)
            pairs = zip(self._get(found, self._params).items(), self._gradient.subtracted, strict=True)
            return {name: by_rate(x if minus else -x, rate, self._float) for (name, x), minus in pairs}
        old, new = self._get(before, self._params), self.parameters()
        return {name: by_rate(old[name].astype(np.float64) - new[name], rate, self._float) for name in old}
