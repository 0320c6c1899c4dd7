"""What a worker is asked to do, and the words for how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.module.executors import Driver

Array = npt.NDArray[Any]
Outcome = Literal["ran", "absent", "refused", "timed out", "hung", "crashed", "not started"]
REFUSED = 2  # exit codes of a worker
ABSENT = 3


@dataclass(frozen=True)
class Noise:
    """The last three arguments of a noisy module. `amplitude`, `ties`: relative standard deviations of one rounding."""

    amplitude: float
    ties: float
    seed: int

    def arguments(self) -> list[Array]:
        """As the module takes them."""
        return [np.array(self.amplitude), np.array(self.ties), np.array(self.seed, np.uint32)]


@dataclass(frozen=True)
class ModuleTask:
    """A module to compile once and to call once for each of `noises`, once without more arguments where there is none.

    `module`, `arguments`, `results`: paths of its text, of an .npz with `a0`, `a1` …, and of the folder for
    `call0.npz` …, which hold `r0`, `r1` … `chip`: what it is compiled for also where `device` is not here.
    `number`: of the task among those of one worker.
    """

    module: str
    function: str
    arguments: str
    results: str
    driver: Driver
    flags: tuple[str, ...]
    device: str
    chip: str
    noises: tuple[Noise, ...] = ()
    number: int = 0

    def write(self, text: str, arguments: Sequence[Array]) -> None:
        """The files of the module and of what it is fed."""
        Path(self.module).write_text(text)
        fed = {f"a{i}": array for i, array in enumerate(arguments)}
        np.savez(self.arguments, **fed)  # type: ignore[arg-type]  # numpy types each name as its own option


def task_path(folder: Path, number: int) -> Path:
    """Where a worker that does several tasks looks for the one of that number."""
    return folder / f"task{number}.json"
