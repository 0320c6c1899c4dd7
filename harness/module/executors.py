"""The executors of modules: one table. Adding an executor is adding a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.errors import ModuleError, unknown
from harness.run.backends import BACKENDS, COMMON_FLAGS, backend
from harness.run.pipelines import INTERPRETED_OPERATION_S
from harness.system.process import run_module

Driver = Literal["xla", "iree", "interpreter"]
WORKER = run_module("harness.module.worker")
_OWN_PYTHON = "`pip install 'training-trace-harness[{0}]'` into a Python of its own, named in HARNESS_PYTHON_{1}"


@dataclass(frozen=True)
class ModuleExecutor:
    """One way to compile and run a module, in a process of its own.

    `meaning`: for people. `driver`: who compiles and calls it. `compiler`: whose arithmetic that is; two rows of one
    compiler do not confirm each other. `backend`: the row of the backends that says flags, device, environment and
    interpreter, where there is one. `flags`: for iree-compile. `device`: IREE's run-time device; a row whose device
    is not there is absent. `chip`: what it is compiled for, where that can be done without the device. `mend`: what an
    absent one needs. `operation_s`: seconds per scalar operation where they are slow enough to foresee the end.
    `environment`: what the process is given. `command`: the program, which takes the path of a task.
    """

    name: str
    meaning: str
    driver: Driver
    compiler: str
    backend: str = ""
    flags: tuple[str, ...] = ()
    device: str = ""
    chip: str = ""
    mend: str = ""
    operation_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = WORKER

    @property
    def fresh(self) -> bool:
        """Whether every run needs a process of its own: what one leaves on a GPU may hide what the next gets wrong."""
        return bool(self.chip or self.backend)


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
            flags=BACKENDS["vmvx"].compile_flags(),
            device=BACKENDS["vmvx"].hal_device,
            operation_s=7e-8,
        ),
        ModuleExecutor(
            name="interpreter",
            meaning="the StableHLO reference interpreter, no compiler at all",
            driver="interpreter",
            compiler="none",
            operation_s=INTERPRETED_OPERATION_S,
            environment=BACKENDS["cpu"].jax_environment(),
        ),
        ModuleExecutor(
            name="vulkan",
            meaning="IREE, SPIR-V for Vulkan: a GPU, or Mesa's driver for the processor",
            driver="iree",
            compiler="IREE SPIR-V",
            backend="vulkan",
            flags=BACKENDS["vulkan"].compile_flags(),
            device=BACKENDS["vulkan"].hal_device,
            chip="Vulkan",
            mend=BACKENDS["vulkan"].mend,
        ),
        ModuleExecutor(
            name="iree-cuda",
            meaning="IREE, an NVIDIA GPU",
            driver="iree",
            compiler="IREE CUDA",
            backend="cuda",
            mend=BACKENDS["cuda"].mend,
        ),
        ModuleExecutor(
            name="iree-rocm",
            meaning="IREE, an AMD GPU",
            driver="iree",
            compiler="IREE HIP",
            backend="rocm",
            mend=BACKENDS["rocm"].mend,
        ),
        ModuleExecutor(
            name="xla-cuda",
            meaning="XLA, an NVIDIA GPU",
            driver="xla",
            compiler="XLA",
            backend="cuda",
            mend=f"needs an NVIDIA GPU, its driver, and {_OWN_PYTHON.format('cuda', 'CUDA')}",
        ),
        ModuleExecutor(
            name="xla-rocm",
            meaning="XLA, an AMD GPU",
            driver="xla",
            compiler="XLA",
            backend="rocm",
            mend=f"needs an AMD GPU, its driver, and {_OWN_PYTHON.format('rocm', 'ROCM')}",
        ),
    )
}
REFERENCE = EXECUTORS["xla"]  # runs every operation in f64, which IREE does not
INTERPRETER = EXECUTORS["interpreter"]
SECOND_REFERENCES = (INTERPRETER, EXECUTORS["iree"])  # who confirm it, the first that can
_CONFIRMATION_S = 30.0  # what a confirmation by a slow one may take


def confirmation_limit(executor: ModuleExecutor, timeout_s: float) -> float:
    """Seconds that a second reference may take: not all that the executor under test may where it is slow."""
    return min(_CONFIRMATION_S, timeout_s) if executor.operation_s else timeout_s


def find_executors(names: tuple[str, ...]) -> tuple[ModuleExecutor, ...]:
    """The rows of those names, with all that their backends say.

    Raises: ModuleError listing the names that exist; BackendError for a variable that names a chip or device of no row.
    """
    for name in names:
        if name not in EXECUTORS:
            raise ModuleError(unknown("executor", name, EXECUTORS))
    return tuple(_complete(EXECUTORS[name]) for name in names)


def _complete(row: ModuleExecutor) -> ModuleExecutor:
    """A row with flags, device, environment and interpreter of its backend."""
    if not row.backend:
        return row
    given = backend(row.backend)
    command = run_module("harness.module.worker", given.python())
    if row.driver == "xla":
        return replace(row, environment=given.jax_environment(), command=command)
    target, environment = given.target(), given.iree_environment()
    return replace(
        row,
        flags=given.compile_flags(target),
        device=environment["IREE_DEVICE"],
        chip=str(target) if given.chip_flag else row.chip,
        environment=environment,
        command=command,
    )
