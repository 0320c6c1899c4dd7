"""The environment contract: the variables that every pipeline obeys."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ContractError
from harness.run.backends import BACKENDS

INIT_DUMP = "LEAN_MLIR_INIT_DUMP"
INIT_LOAD = "LEAN_MLIR_INIT_LOAD"
NO_SHUFFLE = "LEAN_MLIR_NO_SHUFFLE"
TRACE_OUT = "LEAN_MLIR_TRACE_OUT"
MAX_STEPS = "LEAN_MLIR_MAX_STEPS"
TRACE_CHANNELS = "HARNESS_TRACE_CHANNELS"
DTYPE = "HARNESS_DTYPE"

# Variable -> what it means. The harness sets the first ones itself: a value left over in the user's shell would make
# one run differ from the next.
_STEERING: dict[str, str] = {
    INIT_DUMP: "path: write the initial parameters there before training",
    INIT_LOAD: "path: start from these parameters; a wrong size is an error",
    NO_SHUFFLE: "1: file order every epoch; unset: shuffled",
    TRACE_OUT: "path: write the trace there",
    MAX_STEPS: "stop after so many steps; unset: all",
    TRACE_CHANNELS: "when to write norms, projections and digests: default (steps 1-8, then every 64th), all or none",
    DTYPE: "precision of the numbers: f32 or f64; our programs are of one and do not ask",
    "IREE_BACKEND": f"phase 3: {', '.join(row.iree_backend for row in BACKENDS.values())}",
}
VARIABLES: dict[str, str] = {
    **_STEERING,
    "IREE_CHIP": "phase 3: target chip, e.g. sm_89 or gfx1100",
    "IREE_DEVICE": "phase 3: HAL device name",
    "JAX_PLATFORMS": "phase 2: platform",
    "JAX_DISABLE_JIT": "phase 2: 1 runs eagerly",
    "XLA_FLAGS": "phase 2: compiler flags",
    "CUDA_VISIBLE_DEVICES": "passed through",
    "HIP_VISIBLE_DEVICES": "passed through",
    "ROCR_VISIBLE_DEVICES": "passed through",
    "LLVM_PATH": "passed through",
    "HARNESS_IREE_TARGET_CPU": "phase 3: target CPU of cpu cells instead of host, e.g. generic",
    "GLIBC_TUNABLES": "how the C library hands out memory; a matter of speed only",
}

# What goes into a manifest. The paths of the harness's own files tell about the machine and not about the run.
_FILES = (INIT_DUMP, INIT_LOAD, TRACE_OUT)
RECORDED = tuple(name for name in VARIABLES if name not in _FILES)

CHANNELS = ("default", "all", "none")
MOST_STEPS = 2**53  # what a trace can number


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
        """True if the optional channels are written at this step."""
        if self.channels == "default":
            return step <= 8 or step % 64 == 0
        return self.channels == "all"


def read_contract(environment: Mapping[str, str] = os.environ) -> Contract:
    """Read the variables as a phase-3 program does.

    Raises: ContractError naming the variable, what it holds and what it may hold.
    """
    shuffle = _one_of(environment, NO_SHUFFLE, None, ("1",)) is None
    rows = {row.iree_backend: row for row in BACKENDS.values()}
    row = rows[_one_of(environment, "IREE_BACKEND", "llvm-cpu", tuple(rows)) or "llvm-cpu"]
    return Contract(
        init_dump=_path(environment, INIT_DUMP),
        init_load=_path(environment, INIT_LOAD),
        trace_out=_path(environment, TRACE_OUT) or Path(os.devnull),
        shuffle=shuffle,
        max_steps=read_max_steps(environment),
        channels=_one_of(environment, TRACE_CHANNELS, "default", CHANNELS) or "default",
        backend=row.name,
        device=environment.get("IREE_DEVICE") or row.hal_device,
    )


def read_max_steps(environment: Mapping[str, str]) -> int | None:
    """LEAN_MLIR_MAX_STEPS as a number, None when unset. Raises: ContractError."""
    value = environment.get(MAX_STEPS)
    if value is None:
        return None
    plain = value.isascii() and value.isdecimal() and len(value) <= len(str(MOST_STEPS))
    if not (plain and 1 <= int(value) <= MOST_STEPS):
        raise ContractError(
            f"{MAX_STEPS} is {_shown(value)}, expected a whole number of at least 1. Unset it for all steps."
        )
    return int(value)


def child_environment(additions: Mapping[str, str], inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a program: this process's without what steers a run, and `additions` on top.

    The files of the contract become absolute paths, so that a command may change its folder.
    """
    kept = {name: value for name, value in inherited.items() if name not in _STEERING}
    files = {name: str(Path(additions[name]).absolute()) for name in _FILES if name in additions}
    return {**kept, **additions, **files}


def _one_of(environment: Mapping[str, str], name: str, default: str | None, allowed: tuple[str, ...]) -> str | None:
    value = environment.get(name, default)
    if value is not None and value not in allowed:
        raise ContractError(f"{name} is {_shown(value)}, expected {' or '.join(allowed)}. Unset it for the default.")
    return value


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    if value == "":
        raise ContractError(f"{name} is empty, expected a path. Unset it or give one.")
    return None if value is None else Path(value)


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:37]}...")
