"""The backends: one table. Adding a backend is adding a row."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.errors import BackendError

PROBE_TIMEOUT_S = 120

_COMMON_FLAGS = ("--iree-input-type=stablehlo", "--iree-input-demote-f64-to-f32=false")

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

    `device_files`: one of them exists where the driver is loaded. `target_flags`: what iree-compile is told.
    `chip_flag`: the flag that names the chip; `chip` its default, `chip_prefix` how names of this kind start. `hal_device`, `jax_platform`: names at run time.
    """

    name: str
    device_name: str
    device_files: tuple[str, ...]
    target_flags: tuple[str, ...]
    chip_flag: str
    chip: str
    chip_prefix: str
    hal_device: str
    iree_backend: str
    jax_platform: str
    xla_flags: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def compile_flags(self) -> tuple[str, ...]:
        """Flags for iree-compile. The chip is the row's own unless IREE_CHIP names one of this kind."""
        named = os.environ.get("IREE_CHIP", "")
        chip = named if self.chip_prefix and named.startswith(self.chip_prefix) else self.chip
        if not self.chip_prefix:
            chip = os.environ.get("HARNESS_IREE_TARGET_CPU", self.chip)
        return (*_COMMON_FLAGS, *self.target_flags, f"{self.chip_flag}={chip}")

    def python(self) -> str:
        """The interpreter that runs this backend's programs: HARNESS_PYTHON_<BACKEND>, else this one.

        The plugins of two GPU vendors do not share a virtual environment.
        """
        return os.environ.get(f"HARNESS_PYTHON_{self.name.upper()}", sys.executable)

    def jax_environment(self) -> dict[str, str]:
        """Variables for a phase-2 program; deterministic kernels come before the user's own XLA flags."""
        flags = f"{self.xla_flags} {os.environ.get('XLA_FLAGS', '')}".strip()
        return {**self.environment, "JAX_PLATFORMS": self.jax_platform, **({"XLA_FLAGS": flags} if flags else {})}

    def iree_environment(self) -> dict[str, str]:
        """Variables for a phase-3 program."""
        device = os.environ.get("IREE_DEVICE", self.hal_device)
        return {**self.environment, "IREE_BACKEND": self.iree_backend, "IREE_DEVICE": device}


# Autotuning picks kernels by their speed of the moment, so that a rerun differs; atomics add in any order.
_DETERMINISTIC_XLA = "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"

BACKENDS = {
    backend.name: backend
    for backend in (
        Backend(
            name="cpu",
            device_name="CPU",
            device_files=(),
            target_flags=("--iree-hal-target-device=local", "--iree-hal-local-target-device-backends=llvm-cpu"),
            chip_flag="--iree-llvmcpu-target-cpu",
            chip="host",
            chip_prefix="",
            hal_device="local-task",
            iree_backend="llvm-cpu",
            jax_platform="cpu",
            environment={"GLIBC_TUNABLES": _KEEP_PAGES},
        ),
        Backend(
            name="cuda",
            device_name="CUDA device",
            device_files=("/dev/nvidia0", "/dev/dxg"),
            target_flags=("--iree-hal-target-device=cuda",),
            chip_flag="--iree-cuda-target",
            chip="sm_89",
            chip_prefix="sm_",
            hal_device="cuda",
            iree_backend="cuda",
            jax_platform="cuda",
            xla_flags=_DETERMINISTIC_XLA,
        ),
        Backend(
            name="rocm",
            device_name="ROCm device",
            device_files=("/dev/kfd",),
            target_flags=(
                "--iree-hal-target-device=hip",
                # Full reductions to a scalar fail to distribute on gfx1100 otherwise.
                "--iree-codegen-llvmgpu-use-reduction-vector-distribution=false",
            ),
            chip_flag="--iree-rocm-target",
            chip="gfx1100",
            chip_prefix="gfx",
            hal_device="hip",
            iree_backend="rocm",
            jax_platform="rocm",
            xla_flags=_DETERMINISTIC_XLA,
        ),
    )
}


def backend(name: str) -> Backend:
    """The row of that name. Raises: BackendError listing the names that exist."""
    if name not in BACKENDS:
        raise BackendError(f"unknown backend '{name}'; known are {', '.join(BACKENDS)}.")
    return BACKENDS[name]


_PROBES = {
    "phase2": "import jax; print(jax.devices()[0].device_kind)",
    "phase3": (
        "import iree.runtime as rt; d = rt.get_driver({hal!r}).query_available_devices(); "
        "print(d[0]['name'] if d else exit('no device'))"
    ),
}


@dataclass(frozen=True)
class Presence:
    """Whether a pipeline can run on a backend here: the device's name, or the reason why not."""

    device: str | None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.device is not None


@cache
def presence(name: str, pipeline: str) -> Presence:
    """Ask the backend's own Python, in a process of its own: a broken driver can crash or hang whoever asks."""
    row = backend(name)
    if row.device_files and not any(Path(file).exists() for file in row.device_files):
        return Presence(None, f"no {row.device_name}")
    if pipeline not in _PROBES:
        return Presence(row.device_name)
    environment = row.jax_environment() if pipeline == "phase2" else row.iree_environment()
    command = [row.python(), "-c", _PROBES[pipeline].format(hal=row.hal_device.partition(":")[0])]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Presence(None, f"{row.device_name}: the driver did not answer within {PROBE_TIMEOUT_S} s")
    except OSError as error:
        return Presence(None, f"HARNESS_PYTHON_{name.upper()}: {error.strerror}")
    if done.returncode != 0 or not done.stdout.strip():
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return Presence(None, f"{row.device_name} not usable by {pipeline}: {last[:200]}")
    return Presence(done.stdout.strip().splitlines()[-1])
