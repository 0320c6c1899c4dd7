"""The backends: one table. Adding a backend is adding a row."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import BackendError, unknown
from harness.run.pipelines import PIPELINES
from harness.system.process import Child, signal_name

PROBE_TIMEOUT_S = 60

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
    """One kind of hardware, for both pipelines.

    `device_files`: one of them exists where the driver is loaded; none: it is always there.
    `driver_files`: what they hold tells the driver's version.
    `target_flags`: what iree-compile is told; `chip_flag` names the chip, `chip` is its default, `chip_variable` the
    variable that overrides it with a name that starts with `chip_prefix`.
    `iree_backend`: its name in IREE_BACKEND. `hal_device`: IREE's run-time device; `hal_drivers`: values of IREE_DEVICE
    that are meant for this row. `jax_platform`, `xla_flags`, `environment`: what its programs are given.
    """

    name: str
    device_name: str
    iree_backend: str
    target_flags: tuple[str, ...]
    hal_device: str
    hal_drivers: tuple[str, ...]
    jax_platform: str
    device_files: tuple[str, ...] = ()
    driver_files: tuple[str, ...] = ()
    chip_flag: str = ""
    chip: str = ""
    chip_variable: str = "IREE_CHIP"
    chip_prefix: str = ""
    xla_flags: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def compile_flags(self) -> tuple[str, ...]:
        """Flags for iree-compile. Raises: BackendError when IREE_CHIP names a chip of no row."""
        if not self.chip_flag:
            return (*COMMON_FLAGS, *self.target_flags)
        rows = [row for row in BACKENDS.values() if row.chip_variable == self.chip_variable and row.chip_flag]
        named = _meant_for(self.chip_variable, self.chip_prefix, [row.chip_prefix for row in (self, *rows)])
        return (*COMMON_FLAGS, *self.target_flags, f"{self.chip_flag}={named or self.chip}")

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
        return {**self.environment, "JAX_PLATFORMS": self.jax_platform, **({"XLA_FLAGS": flags} if flags else {})}

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
            environment={"GLIBC_TUNABLES": _KEEP_PAGES},
        ),
        Backend(
            name="cuda",
            device_name="CUDA device",
            device_files=("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"),
            driver_files=("/proc/driver/nvidia/version",),
            iree_backend="cuda",
            target_flags=("--iree-hal-target-device=cuda",),
            chip_flag="--iree-cuda-target",
            chip="sm_89",
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
            iree_backend="rocm",
            target_flags=(
                "--iree-hal-target-device=hip",
                # Full reductions to a scalar fail to distribute on gfx1100 otherwise.
                "--iree-codegen-llvmgpu-use-reduction-vector-distribution=false",
            ),
            chip_flag="--iree-rocm-target",
            chip="gfx1100",
            chip_prefix="gfx",
            hal_device="hip",
            hal_drivers=("hip",),
            jax_platform="rocm",
            xla_flags=_DETERMINISTIC_XLA,
        ),
    )
}


def backend(name: str) -> Backend:
    """The row of that name. Raises: BackendError listing the names that exist."""
    if name not in BACKENDS:
        raise BackendError(unknown("backend", name, BACKENDS))
    return BACKENDS[name]


@dataclass(frozen=True)
class Presence:
    """Availability of a backend to a pipeline here: the device's name, or the reason why it is absent.

    `driver`, `python`, `versions` (by package): of the backend's own interpreter, as far as it was asked.
    """

    device: str | None
    reason: str = ""
    driver: str | None = None
    python: str | None = None
    versions: Mapping[str, str] | None = None

    def __bool__(self) -> bool:
        return self.device is not None


@cache
def presence(name: str, pipeline: str) -> Presence:
    """Ask the backend's own Python, in a process of its own: a broken driver can crash or hang whoever asks.

    For a pipeline of somebody else only the device file is looked at.
    """
    row = backend(name)
    if row.device_files and not any(Path(file).exists() for file in row.device_files):
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
        return Presence(None, f"{row.device_name} not usable by {pipeline}: {error}")
    many = f"{facts['count']} x " if facts["count"] > 1 else ""
    return Presence(
        device=many + (facts["device"] if row.device_files else row.device_name),
        driver="; ".join(filter(None, [driver, facts["driver"] if row.device_files else ""])) or None,
        python=facts["python"],
        versions=facts["versions"],
    )


def ask_runtime(python: str, runtime: str, hal: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Device, versions and so on that a Python has for a run time, `jax` or `iree`; `hal`: IREE's driver.

    Raises: OSError; BackendError with the last line of what it says when it has no device.
    """
    text = Path(__file__).with_name("probe.py").read_text()
    child = Child([python, "-P", "-c", text, runtime, hal], {**os.environ, **environment}, keep=1 << 16)
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    while not child.wait(1.0):
        if time.monotonic() > deadline:
            child.stop(patience=0)
            raise BackendError(f"the driver did not answer within {PROBE_TIMEOUT_S} s")
    lines = child.out.tail.splitlines()
    if child.returncode < 0:
        raise BackendError(f"the probe was killed by {signal_name(-child.returncode)}")
    if child.returncode > 0:
        raise BackendError((child.err.tail.strip() or f"exit code {child.returncode}").splitlines()[-1][:200])
    try:
        facts: dict[str, Any] = json.loads(lines[-1])
    except (ValueError, IndexError):
        raise BackendError("the probe printed something else than its answer") from None
    return facts


def _read_driver(row: Backend) -> str | None:
    lines = []
    for file in map(Path, row.driver_files):
        if file.is_file():
            lines.append(" ".join(file.read_text(errors="replace").partition("\n")[0].split()))
    return "; ".join(filter(None, lines)) or None
