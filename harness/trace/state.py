"""States of a training run as files: everything that a step changes, before that step.

`STEP.safetensors` has every parameter under its name, what the optimizer keeps of it as `NAME.SLOT`, and the running
statistics; its metadata say the step and the precision. Source: traces/README.md, States.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from harness.errors import TraceError
from harness.spec.netspec import DType
from harness.trace.format import one_line

Array = npt.NDArray[Any]
SUFFIX = ".safetensors"
_POLL_S = 0.001


def state_path(folder: Path, step: int) -> Path:
    """The file of the state before a step."""
    return folder / f"{step}{SUFFIX}"


def write_state(folder: Path, step: int, tensors: Mapping[str, Array], dtype: DType, room: int | None = None) -> None:
    """Write the state before a step, so that its name only ever holds the whole of it.

    `dtype`: of the program. `room`: wait until fewer than so many states lie there. Raises: OSError.
    """
    while room is not None and sum(1 for _ in folder.glob(f"*{SUFFIX}")) >= room:
        time.sleep(_POLL_S)
    write_tensors(state_path(folder, step), step, tensors, dtype)


def write_tensors(path: Path, step: int, tensors: Mapping[str, Array], dtype: DType) -> None:
    """Write tensors that belong to a step, so that the path only ever holds all of them. Raises: OSError."""
    partial = path.with_suffix(".partial")
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    try:
        save_file(whole, partial, {"step": str(step), "dtype": dtype})
    except SafetensorError as error:  # what it makes of a full disk, or of a folder that cannot be written to
        raise OSError(one_line(str(error)).rstrip(".")) from None
    partial.replace(path)


def wait_for_state(folder: Path, step: int) -> Path:
    """The file of the state before a step, once it is there."""
    path = state_path(folder, step)
    while not path.exists():
        time.sleep(_POLL_S)
    return path


def read_state(path: Path) -> dict[str, Array]:
    """The tensors of a state by name. Raises: TraceError for a file that is none, or is of another step."""
    return read_tensors(path, path.name.removesuffix(SUFFIX), "state")


def read_tensors(path: Path, step: str, what: str) -> dict[str, Array]:
    """The tensors of a file by name, which is called `what`. Raises: TraceError, also for one of another step."""
    if not path.is_file():
        raise TraceError(f"{one_line(path.name)}: no {what}: there is no such file.")
    try:
        with safe_open(path, "np") as file:
            told = (file.metadata() or {}).get("step")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (OSError, SafetensorError) as error:
        raise TraceError(f"{one_line(path.name)}: no {what}: {one_line(error)}.") from None
    if told != step:
        found = "no step" if told is None else f"step {one_line(told)}"
        raise TraceError(f"{one_line(path.name)}: its metadata say {found}, expected that of its name.")
    return tensors
