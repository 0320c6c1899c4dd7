"""What a training program keeps, as the harness wants it: its parameters and its state by name, read and set."""

import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import numpy as np

from harness.errors import ContractError
from harness.trace.arrays import Array, as_numpy, fill
from harness.trace.live import Layout, Live, LiveTensors


class Weights(Live, Protocol):
    """Parameters and state of a program, by the names of traces/README.md, in the shapes of the init file."""

    def state(self) -> Mapping[str, Any]:
        """Parameters, slots (`NAME.SLOT`) and running statistics as they are now."""

    def put(self, tensors: Mapping[str, Array], step: int | None) -> None:
        """Go on from these, before a step; None: from the initial parameters, the only ones then."""


class TorchWeights(LiveTensors):
    """Parameters, optimizer slots and running statistics of a PyTorch program, changed in place.

    `params`: by name, in the order of the init file. `optimizer`: any that keeps `state[parameter]` by key.
    `slots`: the optimizer's key of each slot, `{"m": "exp_avg", "v": "exp_avg_sq"}` of Adam. `stats`: running
    statistics by name, such as `bn.running_mean`. `layout`: as of `harness.TraceWriter`.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        optimizer: Any = None,
        slots: Mapping[str, str] | None = None,
        stats: Mapping[str, Any] | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(params, layout)
        self._optimizer = optimizer
        self._slots = dict(slots or {})
        self._stats = dict(stats or {})

    def statistics(self) -> dict[str, Any]:
        """The running statistics."""
        return self._stats

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        slots = {
            f"{name}.{slot}": self.view(name, self._kept(tensor)[key])
            for slot, key in self._slots.items()
            for name, tensor in self.tensors.items()
        }
        return {**self.parameters(), **slots, **self._stats}

    def put(self, tensors: Mapping[str, Array], step: int | None) -> None:
        """Set what is given, and the optimizer's count of steps. Raises: ContractError where one is missing."""
        held = self.parameters() if step is None else self.state()
        for name, view in held.items():
            found = tensors.get(name)
            if found is None or tuple(found.shape) != tuple(view.shape):
                told = "nothing" if found is None else f"of shape {list(found.shape)}"
                raise ContractError(f"{name} is {told} in the state, expected shape {list(view.shape)}.")
            fill(view, found)
        if step is not None and self._slots:
            for tensor in self.tensors.values():
                count = self._kept(tensor)["step"]
                count.fill_(step - 1)

    def _kept(self, tensor: Any) -> MutableMapping[str, Any]:
        """What the optimizer keeps of a parameter, which it makes at its first step."""
        kept: MutableMapping[str, Any] = self._optimizer.state[tensor]
        for key in self._slots.values():
            if key not in kept:
                kept[key] = tensor.detach().clone().zero_()
        kept.setdefault("step", tensor.detach().new_zeros(()).cpu())
        return kept


def split_initial(raw: bytes, shapes: Mapping[str, Sequence[int]]) -> dict[str, Array]:
    """The tensors of an initial-parameters file by name, row-major. Raises: ContractError for another size."""
    wanted = 4 * sum(math.prod(shape) for shape in shapes.values())
    if len(raw) != wanted:
        raise ContractError(f"LEAN_MLIR_INIT_LOAD: {len(raw)} bytes, expected {wanted} of {len(shapes)} parameters.")
    flat, tensors, at = np.frombuffer(raw, "<f4"), {}, 0
    for name, shape in shapes.items():
        tensors[name] = flat[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
    return tensors


def initial_bytes(tensors: Mapping[str, Any]) -> bytes:
    """Parameters as an initial-parameters file has them."""
    return b"".join(np.ascontiguousarray(as_numpy(tensor), "<f4").tobytes() for tensor in tensors.values())
