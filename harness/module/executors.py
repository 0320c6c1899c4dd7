"""The executors of modules: one table. Adding an executor is adding a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.errors import ModuleError, unknown
from harness.run.backends import BACKENDS, COMMON_FLAGS
from harness.system.process import run_module

Driver = Literal["xla", "iree", "interpreter"]
WORKER = run_module("harness.module.worker")
_LOCAL = (*COMMON_FLAGS, "--iree-hal-target-device=local")


@dataclass(frozen=True)
class ModuleExecutor:
    """One way to compile and run a module, in a process of its own.

    `meaning`: for people. `driver`: who compiles and calls it. `compiler`: whose arithmetic that is; two rows of one
    compiler do not confirm each other. `flags`: for iree-compile. `device`: IREE's run-time device; a row whose device
    is not there is absent. `operation_s`: seconds per scalar operation where they are slow enough to foresee the end.
    `fresh`: every run needs a process of its own, because what one leaves behind may hide what another gets wrong.
    `environment`: what the process is given. `command`: the program, which takes the path of a task.
    """

    name: str
    meaning: str
    driver: Driver
    compiler: str
    flags: tuple[str, ...] = ()
    device: str = ""
    operation_s: float = 0.0
    fresh: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = WORKER


EXECUTORS = {
    row.name: row
    for row in (
        ModuleExecutor(
            name="xla",
            meaning="XLA, CPU",
            driver="xla",
            compiler="XLA",
            environment=BACKENDS["cpu"].jax_environment(),
        ),
        ModuleExecutor(
            name="iree",
            meaning="IREE, llvm-cpu for this processor",
            driver="iree",
            compiler="IREE llvm-cpu",
            flags=(*COMMON_FLAGS, *BACKENDS["cpu"].target_flags, "--iree-llvmcpu-target-cpu=host"),
            device="local-task",
        ),
        ModuleExecutor(
            name="iree-generic",
            meaning="IREE, llvm-cpu for any processor",
            driver="iree",
            compiler="IREE llvm-cpu",
            flags=(*COMMON_FLAGS, *BACKENDS["cpu"].target_flags, "--iree-llvmcpu-target-cpu=generic"),
            device="local-task",
        ),
        ModuleExecutor(
            name="vmvx",
            meaning="IREE's interpreter of its own byte code",
            driver="iree",
            compiler="IREE vmvx",
            flags=(*_LOCAL, "--iree-hal-local-target-device-backends=vmvx"),
            device="local-task",
            operation_s=7e-8,
        ),
        ModuleExecutor(
            name="interpreter",
            meaning="the StableHLO reference interpreter, no compiler at all",
            driver="interpreter",
            compiler="none",
            operation_s=2e-6,
            environment=BACKENDS["cpu"].jax_environment(),
        ),
    )
}
REFERENCE = EXECUTORS["xla"]  # runs every operation in f64, which IREE does not
SECOND_REFERENCES = (EXECUTORS["interpreter"], EXECUTORS["iree"])  # who confirm it, the first that can


def find_executors(names: tuple[str, ...]) -> tuple[ModuleExecutor, ...]:
    """The rows of those names. Raises: ModuleError listing the names that exist."""
    for name in names:
        if name not in EXECUTORS:
            raise ModuleError(unknown("executor", name, EXECUTORS))
    return tuple(EXECUTORS[name] for name in names)
