"""The environment contract: how a training program is told what to do. Every pipeline obeys it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ContractError

INIT_DUMP = "LEAN_MLIR_INIT_DUMP"
INIT_LOAD = "LEAN_MLIR_INIT_LOAD"
NO_SHUFFLE = "LEAN_MLIR_NO_SHUFFLE"
TRACE_OUT = "LEAN_MLIR_TRACE_OUT"
MAX_STEPS = "LEAN_MLIR_MAX_STEPS"
TRACE_CHANNELS = "HARNESS_TRACE_CHANNELS"

# Variable -> what it means. All of them are recorded in a manifest; the last ones are passed through untouched.
VARIABLES: dict[str, str] = {
    INIT_DUMP: "path: write the initial parameters there before training",
    INIT_LOAD: "path: start from these parameters; a wrong size is an error",
    NO_SHUFFLE: "1: file order every epoch; unset: shuffled",
    TRACE_OUT: "path: write the trace there",
    MAX_STEPS: "stop after so many steps; unset: all",
    TRACE_CHANNELS: "when to write norms and batch digests: default (steps 1-8, then every 64th), all or none",
    "IREE_BACKEND": "phase 3: llvm-cpu, cuda or rocm",
    "IREE_CHIP": "phase 3: target chip, e.g. sm_89 or gfx1100",
    "IREE_DEVICE": "phase 3: HAL device name",
    "JAX_PLATFORMS": "phase 2: platform",
    "JAX_DISABLE_JIT": "phase 2: 1 runs eagerly",
    "XLA_FLAGS": "phase 2: compiler flags",
    "CUDA_VISIBLE_DEVICES": "passed through",
    "HIP_VISIBLE_DEVICES": "passed through",
    "ROCR_VISIBLE_DEVICES": "passed through",
    "LLVM_PATH": "passed through",
    "GLIBC_TUNABLES": "how the C library hands out memory; a matter of speed only",
}

# What goes into a manifest: no paths, since they tell about the machine and not about the run.
RECORDED = tuple(name for name in VARIABLES if name not in (INIT_DUMP, INIT_LOAD, TRACE_OUT, "LLVM_PATH"))

CHANNELS = ("default", "all", "none")


@dataclass(frozen=True)
class Contract:
    """The contract as a program reads it."""

    init_dump: Path | None
    init_load: Path | None
    trace_out: Path
    shuffle: bool
    max_steps: int | None
    channels: str
    backend: str
    device: str

    def observes(self, step: int) -> bool:
        """Whether the optional channels are written at this step."""
        if self.channels == "default":
            return step <= 8 or step % 64 == 0
        return self.channels == "all"


def read_contract(environment: Mapping[str, str] = os.environ) -> Contract:
    """Read the variables of a phase-3 program.

    Raises: ContractError naming the variable, what it holds and what it may hold.
    """
    shuffle = _one_of(environment, NO_SHUFFLE, None, ("1",)) is None
    backends = {"llvm-cpu": "cpu", "cuda": "cuda", "rocm": "rocm"}
    backend = _one_of(environment, "IREE_BACKEND", "llvm-cpu", tuple(backends)) or "llvm-cpu"
    return Contract(
        init_dump=_path(environment, INIT_DUMP),
        init_load=_path(environment, INIT_LOAD),
        trace_out=_path(environment, TRACE_OUT) or Path(os.devnull),
        shuffle=shuffle,
        max_steps=read_max_steps(environment),
        channels=_one_of(environment, TRACE_CHANNELS, "default", CHANNELS) or "default",
        backend=backends[backend],
        device=environment.get("IREE_DEVICE", "local-task"),
    )


def read_max_steps(environment: Mapping[str, str]) -> int | None:
    """LEAN_MLIR_MAX_STEPS as a number, None when unset. Raises: ContractError."""
    value = environment.get(MAX_STEPS)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and int(value) >= 1):
        raise ContractError(f"{MAX_STEPS} is {value!r}, expected a whole number of at least 1. Unset it for all steps.")
    return int(value)


def _one_of(environment: Mapping[str, str], name: str, default: str | None, allowed: tuple[str, ...]) -> str | None:
    value = environment.get(name, default)
    if value is not None and value not in allowed:
        raise ContractError(f"{name} is {value!r}, expected {' or '.join(allowed)}. Unset it for the default.")
    return value


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    if value == "":
        raise ContractError(f"{name} is empty, expected a path. Unset it or give one.")
    return None if value is None else Path(value)
