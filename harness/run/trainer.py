"""One training run on a device: the state there, the calls that change it, and its exchange with files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.emit.plan import RunnerPlan
from harness.errors import ContractError, TraceError
from harness.run.contract import StateContract
from harness.spec.netspec import arithmetic_of
from harness.trace.state import read_state, wait_for_state, write_state
from harness.trace.words import words_digest

Array = npt.NDArray[Any]


class Executor(Protocol):
    """A device with the modules of a cell loaded; what is on it is opaque."""

    def put(self, array: Array) -> Any: ...

    def get(self, view: Any) -> Array: ...

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]: ...


class Trainer:
    """One training run: the state on the device and the calls that change it."""

    def __init__(self, device: Executor, plan: RunnerPlan, parameters: Array) -> None:
        self._device = device
        self.dtype = plan.dtype
        self._dtype = np.dtype({"f32": np.float32, "f64": np.float64}[arithmetic_of(plan.dtype)])
        param_dtype = np.dtype(np.float32) if plan.dtype == "wide" else self._dtype
        self._params = len(plan.params)
        self._states = len(plan.states)
        tensors, offset = [], 0
        for param in plan.params:
            n = math.prod(param.shape)
            tensors.append(parameters[offset : offset + n].reshape(param.shape))
            offset += n
        tensors += [np.zeros(p.shape) for _ in plan.slots for p in plan.params]
        tensors += [np.zeros(s.shape) for s in plan.states]
        self._dtypes = [param_dtype] * self._params + [self._dtype] * (len(tensors) - self._params)
        self._state = [device.put(tensor.astype(kind)) for tensor, kind in zip(tensors, self._dtypes, strict=True)]

        params = [param.name for param in plan.params]
        slots = [f"{name}.{slot}" for slot in plan.slots for name in params]
        self._names = [*params, *slots, *(state.name for state in plan.states)]
        self._shapes = [tensor.shape for tensor in tensors]

    @property
    def state(self) -> list[Any]:
        """Parameters, slots and statistics on the device."""
        return list(self._state)

    def get_state(self) -> dict[str, Array]:
        """Copies of parameters, slots and statistics by name."""
        return {name: self._device.get(view) for name, view in zip(self._names, self._state, strict=True)}

    def set_state(self, tensors: Mapping[str, Array]) -> None:
        """Go on from these. Raises: ContractError where one is missing, of another shape or of a wider precision."""
        kinds = dict(zip(self._names, self._dtypes, strict=True))
        for name, shape in zip(self._names, self._shapes, strict=True):
            found = tensors.get(name)
            if found is None or found.shape != shape or not np.can_cast(found.dtype, kinds[name]):
                told = "nothing" if found is None else f"{found.dtype.name} of shape {list(found.shape)}"
                wanted = f"{kinds[name].name} of shape {list(shape)}"
                raise ContractError(f"HARNESS_STATE_IN: {name} is {told} in the state, expected {wanted}.")
        self._state = [self._device.put(tensors[name].astype(kind)) for name, kind in kinds.items()]

    @property
    def parameters(self) -> list[Any]:
        """The parameters on the device."""
        return self._state[: self._params]

    def step(self, x: Array, labels: Array, lr: np.float32, t: int) -> tuple[Array, list[Any]]:
        """One update: the loss on the host, and the gradients, still on the device."""
        d = self._device
        feed = [d.put(x), d.put(labels), d.put(np.array(lr, self._dtype)), d.put(np.array(t, self._dtype))]
        loss, *results = d.call("train_step", [*self._state, *feed])
        self._state, gradients = results[: -self._params], results[-self._params :]
        return d.get(loss), gradients

    def observe(self, gradients: Sequence[Any], before: Sequence[Any]) -> list[Array]:
        """The results of `harness.emit.observe` for the last step, of its gradients and the parameters before it."""
        arguments = [*gradients, *before, *self.parameters, *self._statistics]
        return [self._device.get(view) for view in self._device.call("observe", arguments)]

    def param_words(self) -> dict[str, str]:
        """The digest of each parameter's words. Source: traces/README.md, Words."""
        values = zip(self._names, self.parameters, strict=False)
        return {name: words_digest(name, self._device.get(view)) for name, view in values}

    def logits(self, x: Array) -> Array:
        """Logits of a batch, with running statistics."""
        arguments = [*self.parameters, *self._statistics, self._device.put(x)]
        return self._device.get(self._device.call("logits", arguments)[0])

    @property
    def _statistics(self) -> list[Any]:
        return self._state[len(self._state) - self._states :]


def leave_state(trainer: Trainer, contract: StateContract | None, step: int, last: int) -> None:
    """Write the state before a step where the contract says so. `last`: step of the run. Raises: ContractError."""
    if contract is None or contract.out is None or not contract.at(step, last):
        return
    try:
        write_state(contract.out, step, trainer.get_state(), trainer.dtype, contract.room)
    except OSError as error:
        raise ContractError(f"HARNESS_STATE_OUT is {str(contract.out)!r}: {error.strerror}.") from None


def take_state(trainer: Trainer, contract: StateContract | None, step: int, last: int) -> bool:
    """Go on from the given state before a step where the contract says so, which is told. Raises: ContractError."""
    if contract is None or contract.taken_from is None or not contract.at(step, last):
        return False
    try:
        trainer.set_state(read_state(wait_for_state(contract.taken_from, step)))
    except TraceError as error:
        raise ContractError(f"HARNESS_STATE_IN: {error}") from None
    return True
