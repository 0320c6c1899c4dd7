"""The environment contract: the variables that every pipeline obeys."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.errors import ContractError
from harness.run.backends import BACKENDS
from harness.trace.parts import Part, parse_parts

INIT_DUMP = "LEAN_MLIR_INIT_DUMP"
INIT_LOAD = "LEAN_MLIR_INIT_LOAD"
NO_SHUFFLE = "LEAN_MLIR_NO_SHUFFLE"
TRACE_OUT = "LEAN_MLIR_TRACE_OUT"
MAX_STEPS = "LEAN_MLIR_MAX_STEPS"
TRACE_CHANNELS = "HARNESS_TRACE_CHANNELS"
DTYPE = "HARNESS_DTYPE"
STATE_OUT = "HARNESS_STATE_OUT"
STATE_IN = "HARNESS_STATE_IN"
STATE_STEPS = "HARNESS_STATE_STEPS"
STATE_ROOM = "HARNESS_STATE_ROOM"
RUN_STEPS = "HARNESS_RUN_STEPS"
LOGITS_OUT = "HARNESS_LOGITS_OUT"

# Variable -> what it means. The harness sets the first ones itself: a value left over in the user's shell would make
# one run differ from the next.
_STEERING: dict[str, str] = {
    INIT_DUMP: "path: write the initial parameters there before training",
    INIT_LOAD: "path: start from these parameters; a wrong size is an error",
    NO_SHUFFLE: "1: file order every epoch; unset: shuffled",
    TRACE_OUT: "path: write the trace there",
    MAX_STEPS: "stop after so many steps; unset: all",
    TRACE_CHANNELS: "when to write norms, projections and digests: default (steps 1-8, then every 64th), all or none",
    DTYPE: "precision of the numbers: f32, f64 or wide; our programs are of one and do not ask",
    STATE_OUT: "folder: write the state before each of HARNESS_STATE_STEPS there",
    STATE_IN: "folder: take the state before each of HARNESS_STATE_STEPS from there, once it is there",
    STATE_STEPS: "N: every N steps from the first on, and after the last; N,M,…: before those steps",
    STATE_ROOM: "wait with the next state while so many lie in HARNESS_STATE_OUT; unset: do not wait",
    RUN_STEPS: "STEP+COUNT,…: take only those steps, each part from its state in HARNESS_STATE_IN; unset: all",
    LOGITS_OUT: "folder: write the logits of the first test images by each state that is taken there",
    "IREE_BACKEND": f"phase 3: {', '.join(row.iree_backend for row in BACKENDS.values())}",
}
VARIABLES: dict[str, str] = {
    **_STEERING,
    "IREE_CHIP": "phase 3: target chip, e.g. sm_89 or gfx1100; unset: that of the device",
    "IREE_DEVICE": "phase 3: HAL device name, e.g. cuda://1",
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
_FILES = (INIT_DUMP, INIT_LOAD, TRACE_OUT, STATE_OUT, STATE_IN, LOGITS_OUT)
RECORDED = tuple(name for name in VARIABLES if name not in _FILES)

CHANNELS = ("default", "all", "none")
MOST_STEPS = 2**53  # what a trace can number
_COUNTS = re.compile(r"[1-9][0-9]{0,15}(,([1-9][0-9]{0,15})?)*")


@dataclass(frozen=True)
class StateContract:
    """What a program does with its state: the folders to write it to and to take it from, and before which steps.

    `steps`: every so many from the first on, and after the last; or those of a list. `room`: states that may lie in
    `out`; None: any number. `run_steps`: the parts that are taken; None: all of the run. `logits`: the folder for the
    logits of each state that is taken.
    """

    out: Path | None
    taken_from: Path | None
    steps: int | frozenset[int]
    room: int | None
    run_steps: tuple[Part, ...] | None = None
    logits: Path | None = None

    def at(self, step: int, last: int) -> bool:
        """True if the state before `step` is concerned; that before `last` + 1 is the one that a run ends in."""
        if isinstance(self.steps, int):
            return step == last + 1 or (step - 1) % self.steps == 0
        return step in self.steps

    def parts(self, last: int) -> list[Part]:
        """The parts that a run of so many steps is taken in: a state may be taken at the beginning of each.

        Raises: ContractError for parts that are not in the run, or begin where no state is taken.
        """
        if self.run_steps is None:
            steps = [step for step in range(2, last + 1) if self.taken_from is not None and self.at(step, last)]
            return [Part(first, after - first) for first, after in pairwise([1, *steps, last + 1])]
        for part in self.run_steps:
            if part.end > last + 1:
                raise ContractError(f"{RUN_STEPS} has {part}, expected steps of the {last} of this run.")
            if self.taken_from is None or not self.at(part.first, last):
                raise ContractError(f"{RUN_STEPS} has {part.first}, expected a step of {STATE_STEPS}, and {STATE_IN}.")
        return list(self.run_steps)


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
    state: StateContract | None = None

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
        state=read_state_contract(environment),
    )


def read_state_contract(environment: Mapping[str, str]) -> StateContract | None:
    """What to do with the state; None when it is neither to be written nor taken. Raises: ContractError."""
    out, taken_from, logits = (_folder(environment, name) for name in (STATE_OUT, STATE_IN, LOGITS_OUT))
    run_steps = environment.get(RUN_STEPS)
    if out is None and taken_from is None and run_steps is None:
        return None
    value = environment.get(STATE_STEPS, "")
    if not _COUNTS.fullmatch(value):
        raise ContractError(f"{STATE_STEPS} is {_shown(value)}, expected a number of steps, or steps by commas.")
    numbers = [int(number) for number in value.split(",") if number]
    steps = frozenset(numbers) if "," in value else numbers[0]
    room = environment.get(STATE_ROOM)
    if room is not None and not (_COUNTS.fullmatch(room) and "," not in room):
        raise ContractError(f"{STATE_ROOM} is {_shown(room)}, expected a number of at least 1. Unset it for any.")
    try:
        parts = None if run_steps is None else parse_parts(run_steps)
    except ValueError as error:
        raise ContractError(f"{RUN_STEPS} is {_shown(run_steps or '')}, {error}.") from None
    return StateContract(out, taken_from, steps, None if room is None else int(room), parts, logits)


def listed_steps(steps: Iterable[int]) -> str:
    """Steps as HARNESS_STATE_STEPS lists them, one alone as well."""
    return f"{','.join(map(str, sorted(steps)))},"


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


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    path = _path(environment, name)
    if path is not None and not path.is_dir():
        raise ContractError(f"{name} is {_shown(str(path))}, expected a folder. Make it first.")
    return path


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    if value == "":
        raise ContractError(f"{name} is empty, expected a path. Unset it or give one.")
    return None if value is None else Path(value)


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:37]}...")
