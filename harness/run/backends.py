"""The backends: one table. Adding a backend is adding a row."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.errors import BackendError, unknown
from harness.run.chips import ChipTarget, chip_name, chip_of_host, stand_in
from harness.run.pipelines import PIPELINES, Compiler
from harness.run.probing import Presence, ask_runtime

COMMON_FLAGS = ("--iree-input-type=stablehlo", "--iree-input-demote-f64-to-f32=false")

# A training step allocates and frees the same large buffers over and over. By default the C library gives their pages
# back to the system each time, and touching fresh pages then costs more than the arithmetic.
_KEEP_PAGES = ":".join(
    [
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.mmap_threshold=2147483648",
        "glibc.malloc.trim_threshold=8589934592",
        "glibc.malloc.arena_max=1",
    ]
)


@dataclass(frozen=True)
class Backend:
    """One kind of hardware, for the pipelines of the compilers that it has.

    `compilers`: those that make code for it. `by_default`: whether it is tried where no backends are named.
    `device_files`: one of them exists where the driver is loaded; none: asking the run time is what tells.
    `driver_files`: what they hold tells the driver's version. `mend`: what an absent one needs.
    `software`: it is always this machine's processor; `software_steps`: steps of a verification that names none, where
    the device is that.
    `target_flags`: what iree-compile is told; `chip_flag` names the chip, `chip` is the one where nothing else tells,
    `chips` those that iree-compile knows, `chip_variable` the variable that overrides it with a name that starts with
    `chip_prefix`. `translated`: its driver translates code of an older chip for a newer one.
    `iree_backend`: its name in IREE_BACKEND. `hal_device`: IREE's run-time device; `hal_drivers`: values of IREE_DEVICE
    that are meant for this row. `jax_platform`, `xla_flags`, `environment`: what its programs are given.
    """

    name: str
    device_name: str
    iree_backend: str
    target_flags: tuple[str, ...]
    hal_device: str
    hal_drivers: tuple[str, ...]
    jax_platform: str = ""
    compilers: tuple[Compiler, ...] = ("XLA", "IREE")
    by_default: bool = True
    software: bool = False
    software_steps: int | None = None
    mend: str = ""
    device_files: tuple[str, ...] = ()
    driver_files: tuple[str, ...] = ()
    chip_flag: str = ""
    chip: str = ""
    chips: tuple[str, ...] = ()
    translated: bool = False
    chip_variable: str = "IREE_CHIP"
    chip_prefix: str = ""
    xla_flags: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def serves(self, pipeline: str) -> bool:
        """Whether a pipeline has a compiler for it; that of somebody else is not known to have none."""
        return pipeline not in PIPELINES or PIPELINES[pipeline].compiler in self.compilers

    def require(self, pipeline: str) -> None:
        """Refuse a pipeline that has no compiler for it. Raises: BackendError naming those that have."""
        if not self.serves(pipeline):
            served = ", ".join(filter(self.serves, PIPELINES))
            raise BackendError(f"{pipeline} has no compiler for {self.name}. Take one that has: {served}.")

    def compile_flags(self, target: ChipTarget | None = None) -> tuple[str, ...]:
        """Flags for iree-compile, by default for the chip of `target()`.

        Raises: BackendError when IREE_CHIP names a chip of no row, or GPUs of several kinds are here.
        """
        if not self.chip_flag:
            return (*COMMON_FLAGS, *self.target_flags)
        chosen = target or self.target()
        return (*COMMON_FLAGS, *self.target_flags, f"{self.chip_flag}={chosen.compiled_as}")

    def target(self, chip: str = "") -> ChipTarget:
        """The chip to compile for: the one given, else by `chip_variable`, else the device's, else the default.

        Raises: BackendError, as `compile_flags`.
        """
        if chip:
            return self._target(chip, "named")
        rows = [row for row in BACKENDS.values() if row.chip_variable == self.chip_variable and row.chip_flag]
        named = _meant_for(self.chip_variable, self.chip_prefix, [row.chip_prefix for row in (self, *rows)])
        if named or not self.chip_flag:
            return self._target(named or self.chip, self.chip_variable if named else "default")
        if self.device_files and self.has_device_file:
            found = presence(self.name, "phase3")
            told = chip_name(found.chip)
            if told.startswith(self.chip_prefix) and told:
                return self._target(told, f"IREE's {self.hal_device} driver")
            told, source = chip_of_host(self.chip_prefix, self.chip_variable)
            if told:
                return self._target(told, source)
        return self._target(self.chip, "default")

    def _target(self, chip: str, source: str) -> ChipTarget:
        return ChipTarget(chip, source, stand_in(chip, self.chips) if self.translated else chip)

    @property
    def has_device_file(self) -> bool:
        """Whether a file says that the driver is loaded, for a backend that has such files."""
        return any(Path(file).exists() for file in self.device_files)

    def python(self) -> str:
        """The interpreter that runs this backend's programs: HARNESS_PYTHON_<BACKEND>, else this one.

        The plugins of two GPU vendors do not share a virtual environment.
        """
        return os.environ.get(self.python_variable) or sys.executable

    @property
    def python_variable(self) -> str:
        """Name of the variable that names the interpreter."""
        return f"HARNESS_PYTHON_{self.name.upper()}"

    def jax_environment(self) -> dict[str, str]:
        """Variables for a program on XLA. Its deterministic kernels come last: the user's flags give way."""
        flags = f"{os.environ.get('XLA_FLAGS', '')} {self.xla_flags}".strip()
        platform = {"JAX_PLATFORMS": self.jax_platform} if self.jax_platform else {}
        return {**self.environment, **platform, **({"XLA_FLAGS": flags} if flags else {})}

    def iree_environment(self) -> dict[str, str]:
        """Variables for a program on IREE. Raises: BackendError when IREE_DEVICE names a device of no row."""
        drivers = [driver for row in (self, *BACKENDS.values()) for driver in row.hal_drivers]
        named = [_meant_for("IREE_DEVICE", driver, drivers) for driver in self.hal_drivers]
        device = next(filter(None, named), self.hal_device)
        return {**self.environment, "IREE_BACKEND": self.iree_backend, "IREE_DEVICE": device}


def _meant_for(variable: str, prefix: str, prefixes: list[str]) -> str | None:
    """The variable's value if it starts with this row's prefix, None if it is unset or meant for another row."""
    value = os.environ.get(variable)
    if not value:
        return None
    if not value.startswith(tuple(prefixes)):
        raise BackendError(
            f"{variable} is {value!r}, expected a name that starts with {' or '.join(dict.fromkeys(prefixes))}. "
            "Correct it, or unset it."
        )
    return value if value.startswith(prefix) else None


# Autotuning picks kernels by their speed of the moment, so that a rerun differs; atomics add in any order.
_DETERMINISTIC_XLA = "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"

BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            name="cpu",
            device_name="CPU",
            iree_backend="llvm-cpu",
            target_flags=("--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu"),
            chip_flag="--iree-llvmcpu-target-cpu",
            chip="host",
            chip_variable="HARNESS_IREE_TARGET_CPU",
            hal_device="local-task",
            hal_drivers=("local-task", "local-sync"),
            jax_platform="cpu",
            compilers=("XLA", "IREE", "none"),
            environment={"GLIBC_TUNABLES": _KEEP_PAGES},
        ),
        Backend(
            name="cuda",
            device_name="CUDA device",
            device_files=("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"),
            driver_files=("/proc/driver/nvidia/version",),
            mend="needs an NVIDIA GPU and its driver",
            iree_backend="cuda",
            target_flags=("--iree-hal-target-device=cuda",),
            chip_flag="--iree-cuda-target",
            chip="sm_89",
            chips=("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_120", "sm_121"),
            translated=True,
            chip_prefix="sm_",
            hal_device="cuda",
            hal_drivers=("cuda",),
            jax_platform="cuda",
            xla_flags=_DETERMINISTIC_XLA,
        ),
        Backend(
            name="rocm",
            device_name="ROCm device",
            device_files=("/dev/kfd",),
            driver_files=("/opt/rocm/.info/version", "/sys/module/amdgpu/version"),
            mend="needs an AMD GPU, its driver and ROCm's libraries",
            iree_backend="rocm",
            target_flags=(
                "--iree-hal-target-device=hip",
                # Full reductions to a scalar fail to distribute on gfx1100 otherwise.
                "--iree-codegen-llvmgpu-use-reduction-vector-distribution=false",
            ),
            chip_flag="--iree-rocm-target",
            chip="gfx1100",
            chips=("gfx908", "gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1101", "gfx1151", "gfx1200", "gfx1201"),
            chip_prefix="gfx",
            hal_device="hip",
            hal_drivers=("hip",),
            jax_platform="rocm",
            xla_flags=_DETERMINISTIC_XLA,
        ),
        Backend(
            name="vulkan",
            device_name="Vulkan device",
            compilers=("IREE",),
            by_default=False,
            software_steps=20,
            mend="`apt-get install mesa-vulkan-drivers` brings one that needs no GPU",
            iree_backend="vulkan-spirv",
            target_flags=("--iree-hal-target-device=vulkan",),
            hal_device="vulkan",
            hal_drivers=("vulkan",),
        ),
        Backend(
            name="vmvx",
            device_name="interpreter of IREE's byte code",
            compilers=("IREE",),
            by_default=False,
            software=True,
            software_steps=8,
            iree_backend="vmvx",
            target_flags=("--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=vmvx"),
            hal_device="local-task",
            hal_drivers=("local-task", "local-sync"),
            environment={"GLIBC_TUNABLES": _KEEP_PAGES},
        ),
    )
}
DEFAULT_BACKENDS = tuple(row.name for row in BACKENDS.values() if row.by_default)


def backend(name: str) -> Backend:
    """The row of that name. Raises: BackendError listing the names that exist."""
    if name not in BACKENDS:
        raise BackendError(unknown("backend", name, BACKENDS))
    return BACKENDS[name]


@cache
def presence(name: str, pipeline: str) -> Presence:
    """Ask the backend's own Python, in a process of its own: a broken driver can crash or hang whoever asks.

    For a pipeline of somebody else only the device file is looked at.
    """
    row = backend(name)
    if not row.serves(pipeline):
        return Presence(None, f"no {pipeline} for {name}")
    if row.device_files and not row.has_device_file:
        return Presence(None, f"no {row.device_name}")
    driver = _read_driver(row)
    if pipeline not in PIPELINES:
        return Presence(row.device_name, driver=driver)
    runtime = PIPELINES[pipeline].runtime
    environment = row.jax_environment() if runtime == "jax" else row.iree_environment()
    hal = environment.get("IREE_DEVICE", row.hal_device).partition("://")[0]
    try:
        facts = ask_runtime(row.python(), runtime, hal, environment)
    except OSError as error:
        return Presence(None, f"{row.python_variable}: the interpreter cannot be started ({error.strerror})")
    except BackendError as error:
        if row.mend and not row.device_files:
            return Presence(None, f"no {row.device_name} ({error}); {row.mend}")
        return Presence(None, f"{row.device_name} not usable by {pipeline}: {error}")
    own = bool(row.device_files) or row.hal_device == "vulkan"
    many = f"{facts['count']} x " if facts["count"] > 1 else ""
    return Presence(
        device=many + (facts["device"] if own else row.device_name),
        driver="; ".join(filter(None, [driver, facts["driver"] if own else ""])) or None,
        python=facts["python"],
        versions=facts["versions"],
        software=row.software or bool(facts.get("software")),
        chip=facts.get("chip", "") if own else "",
    )


def _read_driver(row: Backend) -> str | None:
    lines = []
    for file in map(Path, row.driver_files):
        if file.is_file():
            lines.append(" ".join(file.read_text(errors="replace").partition("\n")[0].split()))
    return "; ".join(filter(None, lines)) or None
