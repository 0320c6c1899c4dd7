"""Known trouble of published backends: what it looks like, and a workaround. `recognition` holds a run to it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """One known problem: for people `symptom`, `versions`, `workaround` and `ticket`; the rest is what recognises it.

    `signals`: the program died by one of them. `stderr`: this regular expression is found. `hangs`: it timed out before
    its first step. A row with none of the three is for people only. `silent`: it gives wrong numbers and no message;
    `driver`: where this regular expression is found in the driver's name.
    `package` from `first_in` on and before `fixed_in`; a version that is not known may be any.
    `cure`: a variable and a text in it; a run that had it already died of something else.
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
    hangs: bool = False
    package: str = ""
    first_in: str = ""
    fixed_in: str = ""
    cure: tuple[str, str] | None = None
    silent: bool = False
    driver: str = ""


# The first row that fits is named, so that the more telling ones come first.
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
        id="iree-rocm-reduction-distribution",
        symptom="a full reduction to a scalar does not compile on gfx1100",
        backend="rocm",
        pipeline="phase3",
        versions="IREE 3.x on gfx1100",
        workaround="Compile with --iree-codegen-llvmgpu-use-reduction-vector-distribution=false, as this harness does.",
        ticket="not filed",
        # A message of the compiler is preceded by its flags.
        stderr=r"(?s)\A(?!.*use-reduction-vector-distribution=false).*failed to distribute",
        package="iree-base-compiler",
        first_in="3.12",
    ),
    Trouble(
        id="iree-single-place-convolution",
        symptom="a convolution whose window has one place along an axis, with pixels left over beyond it, is refused",
        backend="cpu",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="Cut the rest off before the convolution, as emitted modules do.",
        ticket="not filed",
    ),
    Trouble(
        id="iree-padded-dilated-convolution",
        symptom="a convolution that itself pads an interior-dilated image computes wrong pixels (dx of a strided one)",
        backend="cpu",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="Pad outside the convolution, as emitted modules do.",
        ticket="not filed",
    ),
    Trouble(
        id="iree-padded-select-and-scatter",
        symptom="a padded `select_and_scatter` is refused, and an unpadded one is slow",
        backend="cpu",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="Write pooling as slices, comparisons and pads, as emitted modules do.",
        ticket="not filed",
        stderr=r"failed to legalize operation 'stablehlo\.select_and_scatter'",
    ),
    Trouble(
        id="iree-f64-tanh",
        symptom="a module with `tanh` in f64 does not link",
        backend="cpu",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="Write it as 2 logistic(2x) - 1, as emitted modules do.",
        ticket="not filed",
        stderr=r"undefined symbol: tanh\b",
    ),
    Trouble(
        id="iree-barrier-leak",
        symptom="resident memory grows by about 70 MB a step under local-task with many barriers on activations",
        backend="cpu",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="One barrier a step, as emitted modules have.",
        ticket="not filed",
    ),
    Trouble(
        id="iree-cuda-hopper",
        symptom="`missing GPU target`: the compiler does not know sm_90 and sm_100",
        backend="cuda",
        pipeline="phase3",
        versions="IREE 3.13",
        workaround="Compile for sm_89, as this harness does for these chips: the driver translates it.",
        ticket="iree-org/iree#22147",
        stderr=r"missing GPU target in #hal\.executable\.target",
    ),
    Trouble(
        id="iree-vulkan-f64",
        symptom="a module in f64 (or wide) is refused: `failed to convert SPIR-V type`",
        backend="vulkan",
        pipeline="phase3",
        versions="IREE 3.13 with its default target for Vulkan",
        workaround="Run f64 on the CPU, as `harness verify` does for its cross-check.",
        ticket="not filed",
        stderr=r"failed to convert SPIR-V type: '[^']*f64",
    ),
    Trouble(
        id="iree-vulkan-reduce-broadcast",
        symptom="sums over a leading axis that are broadcast again are read before they are there",
        backend="vulkan",
        pipeline="phase3",
        versions="IREE 3.13, on Mesa's driver for the processor",
        workaround="Sum in two stages, as batch norm of emitted modules does.",
        ticket="not filed",
        silent=True,
    ),
    Trouble(
        id="mesa-llvmpipe-long-loops",
        symptom="a sum of more than 65,536 terms in one loop stops there",
        backend="vulkan",
        pipeline="phase3",
        versions="Mesa 22.3.6, llvmpipe",
        workaround="Sum pixels first and images after, as emitted modules do.",
        ticket="not filed",
        silent=True,
        driver="llvmpipe",
    ),
    Trouble(
        id="miopen-im2col-hiprtc",
        symptom="`miopenStatusUnknownError` for an interior-dilated pad that is fused into a convolution",
        backend="rocm",
        pipeline="phase2",
        versions="MIOpen with hiprtc",
        workaround="Run this network's phase 2 on the CPU (BACKENDS=cpu).",
        ticket="not filed",
        stderr=r"miopenStatusUnknownError",
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
        package="jax-rocm7-plugin",
        first_in="0.10.2",
    ),
    Trouble(
        id="xla-rocm-command-buffers",
        symptom="a transformer's first step aborts in a command buffer",
        backend="rocm",
        pipeline="phase2",
        versions="jax 0.11.0, ROCm 7.2.4",
        workaround="Set XLA_FLAGS=--xla_gpu_enable_command_buffer= (nothing after the equals sign).",
        ticket="not filed",
        signals=("SIGABRT",),
        stderr=r"(?i)command.?buffer",
        package="jax",
        first_in="0.11.0",
        cure=("XLA_FLAGS", "--xla_gpu_enable_command_buffer="),
    ),
    Trouble(
        id="jax-rocm-mesh-hang",
        symptom="`Mesh`/`NamedSharding` over two gfx1100 never ends compiling",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0",
        workaround="Set ROCR_VISIBLE_DEVICES=0, or use jax 0.10.0 or newer.",
        ticket="ROCm/jax#746",
        hangs=True,
        package="jax",
        fixed_in="0.10.0",
        cure=("ROCR_VISIBLE_DEVICES", "0"),
    ),
    Trouble(
        id="jax-rocm-jit-grad-segfault",
        symptom="jit(value_and_grad) over convolution, flatten and matrix product segfaults on gfx1100",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0",
        workaround="Use jax 0.10.0 or newer; before it JAX_DISABLE_JIT=1 (`--eager`), about 15 times slower.",
        ticket="ROCm/jax#745",
        signals=("SIGSEGV",),
        package="jax",
        fixed_in="0.10.0",
        cure=("JAX_DISABLE_JIT", "1"),
    ),
    Trouble(
        id="jax-rocm-conv-segfault",
        symptom="any convolution segfaults on gfx1100 (MIOpen), also without jit",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0 (seen with plugin 0.9.1), ROCm 7.2",
        workaround="Use jax 0.10.0 or newer; before it run phase 2 on the CPU (BACKENDS=cpu, JAX_PLATFORMS=cpu).",
        ticket="ROCm/MIOpen#3955",
        signals=("SIGSEGV",),
        package="jax",
        fixed_in="0.10.0",
    ),
    Trouble(
        id="jax-rocm-extra-missing-plugin",
        symptom="`pip install jax[rocm]` asks for a plugin version that does not exist",
        backend="rocm",
        pipeline="phase2",
        versions="jax before 0.10.0",
        workaround="Install the two jax-rocm packages by name, in the version of jax; the extra `rocm` does.",
        ticket="not filed",
    ),
    Trouble(
        id="xla-cuda-tf32",
        symptom="f32 matrix products in TF32 on Ampere and newer: step 1 differs by 1e-4 and more",
        backend="cuda",
        pipeline="phase2",
        versions="every XLA",
        workaround="Set jax_default_matmul_precision=highest, as emitted scripts do.",
        ticket="by design",
    ),
)


def trouble_by_id(identifier: str) -> Trouble | None:
    """The row of that id; None for one of another version of this table."""
    return {trouble.id: trouble for trouble in KNOWN_TROUBLE}.get(identifier)
