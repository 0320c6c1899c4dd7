"""The table of known trouble: sound rows, and each death recognised by its own row and by no other."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.run.backends import BACKENDS
from harness.system.process import signal_name
from harness.trace.known_trouble import KNOWN_TROUBLE, Trouble, trouble_by_id
from harness.trace.recognition import recognise

MIOPEN = "MIOpen Error: ... miopenStatusUnknownError\n"
DISTRIBUTE = "iree-compile --iree-rocm-target=gfx1100: module.mlir:4:8: error: 'func.func' op failed to distribute"
FLAG = " --iree-codegen-llvmgpu-use-reduction-vector-distribution=false"
JAX9 = {"jax": "0.9.1", "jaxlib": "0.9.1"}
JAX10 = {"jax": "0.10.0", "jax-rocm7-plugin": "0.10.0"}
JAX11 = {"jax": "0.11.0", "jax-rocm7-plugin": "0.11.0"}
COMMAND_BUFFER = "F0000 command_buffer_thunk.cc:123] Check failed"


def name_of(
    pipeline: str,
    signal: str | None = None,
    stderr: str = "",
    versions: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    hung: bool = False,
    backend: str = "rocm",
) -> str | None:
    found = recognise(backend, pipeline, signal, stderr, versions or {}, environment=environment, hung=hung)
    return found.id if found else None


@pytest.mark.parametrize("trouble", KNOWN_TROUBLE, ids=lambda trouble: trouble.id)
def test_a_row_is_sound(trouble: Trouble) -> None:
    re.compile(trouble.stderr)
    assert trouble.backend in BACKENDS
    assert trouble.pipeline in ("phase2", "phase3")
    assert all((trouble.id, trouble.symptom, trouble.versions, trouble.workaround, trouble.ticket))
    assert set(trouble.signals) <= {signal_name(number) for number in range(1, 32)}
    assert bool(trouble.package) == bool(trouble.first_in or trouble.fixed_in)
    assert trouble_by_id(trouble.id) is trouble, "ids are unique"


def test_every_published_trouble_has_its_row() -> None:
    tickets = " ".join(trouble.ticket for trouble in KNOWN_TROUBLE)
    for ticket in ("ROCm/MIOpen#3955", "ROCm/jax#745", "ROCm/jax#746", "iree-org/iree#24283", "iree-org/iree#24282"):
        assert ticket in tickets
    assert len({trouble.id for trouble in KNOWN_TROUBLE}) == len(KNOWN_TROUBLE)


def test_what_iree_refuses_on_vulkan_and_for_hopper() -> None:
    f64 = (
        "module.mlir:69:24: error: failed to convert SPIR-V type: 'memref<?xf64, #spirv.storage_class<StorageBuffer>>'"
    )
    assert name_of("phase3", stderr=f64, backend="vulkan") == "iree-vulkan-f64"
    assert name_of("phase3", stderr=f64.replace("f64", "i64"), backend="vulkan") is None
    hopper = "module.mlir:3:24: error: missing GPU target in #hal.executable.target (exit code 1)"
    assert name_of("phase3", stderr=hopper, backend="cuda") == "iree-cuda-hopper"


def test_a_segfault_of_jax_on_rocm() -> None:
    assert name_of("phase2", "SIGSEGV", versions=JAX9) == "jax-rocm-jit-grad-segfault"
    eager = {"JAX_DISABLE_JIT": "1"}
    assert name_of("phase2", "SIGSEGV", versions=JAX9, environment=eager) == "jax-rocm-conv-segfault"
    assert name_of("phase2", "SIGSEGV", versions=JAX10) is None, "fixed"
    assert name_of("phase2", "SIGSEGV", versions={"jax": "0.10"}) is None, "0.10 is 0.10.0"
    assert name_of("phase2", "SIGSEGV") == "jax-rocm-jit-grad-segfault", "an unknown version may be any"
    assert name_of("phase2", "SIGABRT", versions=JAX9) is None
    assert name_of("phase3", "SIGSEGV", versions=JAX9) is None
    assert name_of("phase2", "SIGSEGV", versions=JAX9, backend="cuda") is None


def test_a_hang_of_jax_on_rocm() -> None:
    assert name_of("phase2", hung=True, versions=JAX9) == "jax-rocm-mesh-hang"
    assert name_of("phase2", hung=True, versions=JAX9, environment={"ROCR_VISIBLE_DEVICES": "0"}) is None
    assert name_of("phase2", hung=True, versions=JAX10) is None
    assert name_of("phase2", versions=JAX9) is None


def test_words_on_stderr_name_a_trouble_from_its_first_version_on() -> None:
    assert name_of("phase2", None, MIOPEN, JAX10) == "miopen-im2col-hiprtc"
    assert name_of("phase2", "SIGSEGV", MIOPEN, JAX9) == "miopen-im2col-hiprtc", "words tell more than a signal"
    launch = "hip_stream.cc: Failed in LaunchGraph"
    assert name_of("phase2", "SIGABRT", launch, {"jax-rocm7-plugin": "0.10.2"}) == "jax-rocm-launch-graph"
    assert name_of("phase2", "SIGABRT", launch, JAX10) is None, "before it began"


def test_command_buffers_need_their_signal_and_their_words() -> None:
    assert name_of("phase2", "SIGABRT", COMMAND_BUFFER, JAX11) == "xla-rocm-command-buffers"
    assert name_of("phase2", None, COMMAND_BUFFER, JAX11) is None, "both the signal and the words"
    assert name_of("phase2", "SIGABRT", "", JAX11) is None
    off = {"XLA_FLAGS": "--xla_gpu_enable_command_buffer= --xla_gpu_autotune_level=0"}
    assert name_of("phase2", "SIGABRT", COMMAND_BUFFER, JAX11, off) is None
    on = {"XLA_FLAGS": "--xla_gpu_enable_command_buffer=FUSION"}
    assert name_of("phase2", "SIGABRT", COMMAND_BUFFER, JAX11, on) == "xla-rocm-command-buffers"


def test_a_refusal_to_compile_is_named_by_the_version_and_flags() -> None:
    for version, expected in (
        ("3.11.0", "iree-hip-failed-to-distribute"),
        ("3.11.0rc20260316", "iree-hip-failed-to-distribute"),
        ("3.12", "iree-rocm-reduction-distribution"),
        ("3.12.0", "iree-rocm-reduction-distribution"),
        ("3.13.0", "iree-rocm-reduction-distribution"),
    ):
        assert name_of("phase3", None, DISTRIBUTE, {"iree-base-compiler": version}) == expected
    assert name_of("phase3", None, FLAG + DISTRIBUTE, {"iree-base-compiler": "3.13.0"}) is None, "it has the flag"
    assert name_of("phase3", None, FLAG + "some other error", {"iree-base-compiler": "3.13.0"}) is None
    assert name_of("phase3", None, DISTRIBUTE, {"iree-base-compiler": "3.13.0"}, backend="cuda") is None


def test_a_control_has_the_trouble_of_its_compiler() -> None:
    illegal = "module.mlir:112:11: error: failed to legalize operation 'stablehlo.select_and_scatter'"
    assert name_of("phase2-iree", None, illegal, backend="cpu") == "iree-padded-select-and-scatter"
    assert name_of("phase2-iree", None, "iree-lld: error: undefined symbol: tanh (exit code 1)", backend="cpu") == (
        "iree-f64-tanh"
    )
    assert name_of("phase2-iree", None, "undefined symbol: tanhf", backend="cpu") is None
    assert name_of("phase3-xla", "SIGSEGV", versions=JAX9) == name_of("phase2", "SIGSEGV", versions=JAX9) is not None


def test_every_row_is_recognised_by_something_or_for_people_only() -> None:
    for_people = {
        "iree-barrier-leak",
        "iree-padded-dilated-convolution",
        "iree-single-place-convolution",
        "iree-vulkan-reduce-broadcast",
        "mesa-llvmpipe-long-loops",
        "jax-rocm-extra-missing-plugin",
        "xla-cuda-tf32",
    }
    silent = {t.id for t in KNOWN_TROUBLE if not (t.signals or t.stderr or t.hangs)}
    assert silent == for_people


@given(
    st.sampled_from(["cpu", "cuda", "rocm", "x"]),
    st.sampled_from(["phase2", "phase3", "lean"]),
    st.sampled_from([None, "SIGKILL", "SIGTERM", "signal 40"]),
    st.text(),
    st.dictionaries(st.sampled_from(["jax", "iree-base-compiler", "jax-rocm7-plugin"]), st.text()),
)
def test_other_deaths_have_no_name(
    backend: str, pipeline: str, signal: str | None, stderr: str, versions: dict[str, str]
) -> None:
    assert recognise(backend, pipeline, signal, stderr, versions) is None
