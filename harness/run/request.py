"""The environment contract from the side of a training program that somebody else wrote.

Source: docs/extending.md, An external pipeline.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from harness.errors import ContractError, TraceError
from harness.run.contract import (
    DTYPE,
    INIT_DUMP,
    INIT_LOAD,
    STATE_IN,
    STATE_OUT,
    TRACE_OUT,
    StateContract,
    read_contract,
)
from harness.run.weights import Weights, initial_bytes, split_initial
from harness.spec.netspec import DType
from harness.trace.arrays import as_numpy
from harness.trace.format import one_line
from harness.trace.parts import Part, format_parts
from harness.trace.state import read_state, wait_for_state, write_state
from harness.trace.writer import TraceWriter

NUMPY = {"f32": "float32", "f64": "float64"}


class RunRequest:
    """What is asked of this run of a program: precision, start, length, trace, states. All of it is in the environment.

    `dtypes`: precisions that the program can train in. Asked for another, it trains in the first and says so in its
    trace: it then takes no part in what the harness does in that precision.

    Raises: ContractError for a variable that makes no sense.
    """

    def __init__(self, dtypes: Sequence[DType] = ("f32",), environment: Mapping[str, str] = os.environ) -> None:
        self._contract = read_contract(environment)
        asked = environment.get(DTYPE, "f32")
        if asked not in get_args(DType):
            raise ContractError(f"{DTYPE} is {one_line(repr(asked))}, expected {' or '.join(get_args(DType))}.")
        if not dtypes or isinstance(dtypes, str) or set(dtypes) - NUMPY.keys():
            raise ContractError(f"dtypes is {one_line(repr(dtypes))}, expected some of {', '.join(NUMPY)}, as a tuple.")
        self.dtype = next((dtype for dtype in dtypes if dtype == asked), dtypes[0])

    @property
    def float_name(self) -> str:
        """The precision by the name that numpy, PyTorch and JAX have for it: `float32` or `float64`."""
        return NUMPY[self.dtype]

    @property
    def shuffle(self) -> bool:
        """Whether the order of the data may change; false: file order every epoch."""
        return self._contract.shuffle

    def start(
        self, weights: Weights, *, steps: int, network: str, config: Mapping[str, Any], **facts: Any
    ) -> "RequestedRun":
        """Begin the run: take the initial parameters that are given, and open the trace.

        `steps`: of the whole training; fewer are taken where so asked. `facts`: as those of `harness.TraceWriter`.

        Raises: ContractError, TraceError.
        """
        contract = self._contract
        if steps < 1:
            raise ContractError(f"steps is {steps}, expected at least 1.")
        for name, tensor in weights.parameters().items():
            if not str(tensor.dtype).endswith(self.float_name):
                told = f"{name} is {str(tensor.dtype).removeprefix('torch.')}, this run is in {self.float_name}"
                raise ContractError(f"{told}. Make the parameters in the precision of `RunRequest.float_name`.")
        last = planned = min(steps, contract.max_steps or steps)
        if contract.init_load is not None:
            try:
                raw = contract.init_load.read_bytes()
            except OSError as error:
                raise ContractError(f"{INIT_LOAD} is {str(contract.init_load)!r}: {error.strerror}.") from None
            weights.put(split_initial(raw, {name: tuple(x.shape) for name, x in weights.parameters().items()}), None)
            facts = {"init_sha256": hashlib.sha256(raw).hexdigest()} | facts
        if contract.init_dump is not None:
            try:
                contract.init_dump.write_bytes(initial_bytes(weights.parameters()))
            except OSError as error:
                raise ContractError(f"{INIT_DUMP} is {str(contract.init_dump)!r}: {error.strerror}.") from None
        state = contract.state
        parts = [Part(1, last)] if state is None else state.parts(last)
        if state is not None and state.run_steps is not None:
            planned = sum(part.count for part in parts)
            facts = {"run_steps": format_parts(parts)} | facts
        if not contract.shuffle:
            facts = {"shuffle": False} | facts
        try:
            return RequestedRun(
                contract.trace_out,
                weights,
                self.dtype,
                parts,
                last,
                state,
                network=network,
                config=config,
                planned_steps=planned,
                channels=contract.channels,
                **facts,
            )
        except OSError as error:
            raise ContractError(f"{TRACE_OUT} is {str(contract.trace_out)!r}: {error.strerror}.") from None


class RequestedRun(TraceWriter):
    """A run of a program: its steps, and the trace of them. Made by `RunRequest.start`."""

    def __init__(
        self,
        path: Path,
        weights: Weights,
        dtype: DType,
        parts: Sequence[Part],
        last: int,
        state: StateContract | None,
        **facts: Any,
    ) -> None:
        self._weights, self._dtype, self._parts, self._last, self._contract = weights, dtype, parts, last, state
        super().__init__(path, params=weights, dtype=dtype, renamed=False, **facts)

    def steps(self) -> Iterator[int]:
        """The numbers of the steps to take, from 1. States are written and taken in between.

        Raises: ContractError for a folder that cannot be written to, or a state that is none.
        """
        self._leave(1)
        for part in self._parts:
            if self._take(part.first):
                self.begin(part.first)
            for step in part.steps:
                yield step
                self._leave(step + 1)

    def _leave(self, step: int) -> None:
        state = self._contract
        if state is None or state.out is None or not state.at(step, self._last):
            return
        tensors = {name: as_numpy(tensor) for name, tensor in self._weights.state().items()}
        try:
            write_state(state.out, step, tensors, self._dtype, state.room)
        except OSError as error:
            raise ContractError(f"{STATE_OUT} is {str(state.out)!r}: {error.strerror or error}.") from None

    def _take(self, step: int) -> bool:
        state = self._contract
        if state is None or state.taken_from is None or not state.at(step, self._last):
            return False
        try:
            self._weights.put(read_state(wait_for_state(state.taken_from, step)), step)
        except TraceError as error:
            raise ContractError(f"{STATE_IN}: {error}") from None
        return True
