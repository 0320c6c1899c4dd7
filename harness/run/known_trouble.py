"""Known trouble of published backends: names the death of a program when it recognises it, and says what to try."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trouble:
    """One known problem. An empty `signals`, `stderr` or `statuses` asks nothing of that side; one of them must ask.

    `stderr`: a regular expression that must be found. `package`, `fixed_in`: from that version on it is something else.
    """

    id: str
    symptom: str
    backend: str
    pipeline: str
    versions: str
    workaround: str
    ticket: str
    signals: tuple[str, ...] = ()
    stderr: str = ""
    statuses: tuple[str, ...] = ()
    package: str = ""
    fixed_in: str = ""


KNOWN_TROUBLE = (
    Trouble(
        id="iree-hip-failed-to-distribute",
        symptom="`failed to distribute`: layer norm over channels of NCHW, or stacked [0,2,3] reductions of batch norm",
        backend="rocm",
        pipeline="phase3",
        versions="IREE before 3.12",
        workaround="Use iree-base-compiler 3.12 or newer.",
        ticket="iree-org/iree#24283, iree-org/iree#24282",
        stderr=r"failed to distribute",
        package="iree-base-compiler",
        fixed_in="3.12",
    ),
    Trouble(
        id="miopen-im2col-hiprtc",
        symptom="`miopenStatusUnknownError` for an interior-dilated pad that is fused into a convolution",
        backend="rocm",
        pipeline="phase2",
        versions="MIOpen with hiprtc",
        workaround="Run that network with JAX_PLATFORMS=cpu (BACKENDS=cpu).",
        ticket="not filed",
        stderr=r"miopenStatusUnknownError",
    ),
    Trouble(
        id="xla-rocm-command-buffers",
        symptom="a transformer's first step aborts in a command buffer",
        backend="rocm",
        pipeline="phase2",
        versions="jax 0.11.0, ROCm 7.2.4",
        workaround="Set XLA_FLAGS=--xla_gpu_enable_command_buffer= (empty).",
        ticket="not filed",
        signals=("SIGABRT",),
        stderr=r"(?i)command.?buffer",
    ),
    Trouble(
        id="jax-rocm-launch-graph",
        symptom="death in `LaunchGraph` after thousands of dispatches",
        backend="rocm",
        pipeline="phase2",
        versions="jax-rocm plugins from 0.10.2 on, on ROCm 7.2.0",
        workaround="Use ROCm 7.2.4.",
        ticket="not filed",
        stderr=r"LaunchGraph",
    ),
    Trouble(
        id="jax-rocm-mesh-hang",
        symptom="`Mesh`/`NamedSharding` over two gfx1100 never ends compiling",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0",
        workaround="Set ROCR_VISIBLE_DEVICES=0, or use jax 0.10.0 or newer.",
        ticket="ROCm/jax#746",
        statuses=("timed-out",),
        package="jax",
        fixed_in="0.10.0",
    ),
    Trouble(
        id="jax-rocm-conv-segfault",
        symptom="a convolution, or jit(value_and_grad) over convolution, flatten and matmul, segfaults on gfx1100",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0 (plugin 0.9.1), ROCm 7.2",
        workaround="Use jax 0.10.0; before it JAX_PLATFORMS=cpu, or JAX_DISABLE_JIT=1 (`--eager`, 15 times slower).",
        ticket="ROCm/MIOpen#3955, ROCm/jax#745",
        signals=("SIGSEGV",),
        package="jax",
        fixed_in="0.10.0",
    ),
    Trouble(
        id="jax-rocm-extra-missing-plugin",
        symptom="`jax[rocm]` asks for a plugin version that does not exist",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0",
        workaround="Install the two jax-rocm packages by name, in the version of jax; the extra `rocm` does.",
        ticket="not filed",
        stderr=r"(?i)(no matching distribution|could not find a version).*jax-rocm",
    ),
    Trouble(
        id="iree-rocm-reduction-distribution",
        symptom="a full reduction to a scalar does not compile on gfx1100",
        backend="rocm",
        pipeline="phase3",
        versions="IREE 3.x on gfx1100",
        workaround="Compile with --iree-codegen-llvmgpu-use-reduction-vector-distribution=false, as this harness does.",
        ticket="not filed",
        stderr=r"(?i)reduction.*vector.?distribut|vector.?distribut.*reduction",
    ),
    Trouble(
        id="xla-cuda-tf32",
        symptom="f32 matrix products in TF32 on Ampere and newer: step 1 differs by 1e-4 and more",
        backend="cuda",
        pipeline="phase2",
        versions="every XLA",
        workaround="Set jax_default_matmul_precision=highest, as emitted scripts do.",
        ticket="by design",
        statuses=("precision",),  # a complete run: it cannot be recognised by how a program died
    ),
)


def recognise(
    backend: str, pipeline: str, signal: str | None, stderr: str, status: str, provenance: Mapping[str, Any]
) -> Trouble | None:
    """The first known trouble that fits how a program ended, if any."""
    versions = provenance.get("versions", {})
    for trouble in KNOWN_TROUBLE:
        if (trouble.backend, trouble.pipeline) != (backend, pipeline):
            continue
        if trouble.package and not _before(versions.get(trouble.package), trouble.fixed_in):
            continue
        asked = [
            (trouble.signals, signal in trouble.signals),
            (trouble.stderr, re.search(trouble.stderr, stderr) is not None),
            (trouble.statuses, status in trouble.statuses),
        ]
        if all(holds for wanted, holds in asked if wanted):
            return trouble
    return None


def trouble_by_id(identifier: str) -> Trouble:
    """The row of that id. Raises: KeyError."""
    return {trouble.id: trouble for trouble in KNOWN_TROUBLE}[identifier]


def _before(version: str | None, fixed_in: str) -> bool:
    """Whether a version is older than the fix; an unknown version may be."""
    if version is None:
        return True

    def key(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)][:3]

    return key(version) < key(fixed_in)
