import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.night.references.environment import differences, environment_of
from harness.trace.manifest import Manifest
from tests.support.sample_cells import ON_IREE, PROVENANCE, VERSIONS, bumped
from tests.support.sample_traces import header

CUDA = {"device": "NVIDIA GeForce RTX 4090", "driver": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  x"}
CUDA_LIBRARIES = {"jax-cuda12-pjrt": "0.10.2", "nvidia-cublas-cu12": "12.9.1.4", "nvidia-cudnn-cu12": "9.10.2"}


def key(pipeline: str | None = "phase2", backend: str | None = "cpu", **told: Any) -> str:
    manifest = Manifest(status="complete", provenance=PROVENANCE | told)
    return environment_of(header(pipeline=pipeline, backend=backend), manifest).key


@pytest.mark.parametrize(
    ("expected", "pipeline", "told"),
    [
        ("cpu-avx512-jaxlib-0.10.2", "phase2", {}),
        ("cpu-avx512-iree-3.13.0", "phase3", ON_IREE),
        ("cpu-avx512-jaxlib-0.10.2", "phase3-xla", {}),
        ("cpu-avx512-jax-0.10.2-iree-3.13.0", "phase2-iree", ON_IREE),
        ("cpu-avx2-jaxlib-0.10.2", "phase2", {"cpu_features": ["avx", "avx2", "fma"]}),
        ("cpu-neon-jaxlib-0.10.2", "phase2", {"cpu_features": ["asimd", "asimddp"]}),
        ("cpu-unknown-jaxlib-0.10.2", "phase2", {"cpu_features": []}),
        ("cpu-avx512-jax-0.10.3-jaxlib-0.10.2", "phase2", bumped(jax="0.10.3")),
        ("cpu-avx512-iree-3.13.0-iree-runtime-3.12.0", "phase3", bumped(iree_base_runtime="3.12.0") | ON_IREE),
        ("cpu-generic-iree-3.13.0", "phase3", ON_IREE | {"compiler_flags": ["--iree-llvmcpu-target-cpu=generic"]}),
        # Compiled elsewhere: the compiler's package is not installed there.
        ("cpu-avx512-iree-3.13.0", "phase3", ON_IREE | {"versions": {"iree-base-runtime": "3.13.0"}}),
        ("cpu-avx512-compiler-unknown", "lean", {"compiler": None}),
        ("cpu-avx512-jaxlib-unknown", "phase2", {"versions": {}}),
    ],
)
def test_a_key_says_what_decides(expected: str, pipeline: str, told: dict[str, Any]) -> None:
    assert key(pipeline, **told) == expected


def test_a_key_of_a_gpu_has_its_name_its_driver_and_its_libraries() -> None:
    told = CUDA | {"versions": VERSIONS | CUDA_LIBRARIES}
    of_xla = "cuda-nvidia-geforce-rtx-4090-driver-550.54.14-jaxlib-0.10.2-cublas-12.9.1.4-cudnn-9.10.2"
    assert key("phase2", "cuda", **told) == of_xla
    flags = ["--iree-hal-target-device=cuda", "--iree-cuda-target=sm_89"]
    of_iree = "cuda-sm_89-nvidia-geforce-rtx-4090-driver-550.54.14-iree-3.13.0"
    assert key("phase3", "cuda", **told | ON_IREE | {"compiler_flags": flags}) == of_iree


@pytest.mark.parametrize("passing", ["host", "cpu", "cpu_count", "python", "os", "environment", "emitted_sha256"])
def test_a_key_does_not_name_a_machine(passing: str) -> None:
    assert key(**{passing: "something else"}) == key()


def test_neither_side_of_the_square_depends_on_the_compiler_of_the_other() -> None:
    assert key(**bumped(iree_base_compiler="4", iree_base_runtime="4")) == key()
    assert key("phase3", **bumped(jax="1", jaxlib="1") | ON_IREE) == key("phase3", **ON_IREE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = st.sampled_from([*PROVENANCE, "compiler_flags"])


@given(st.dictionaries(KEYS, JSON), st.text(), st.text())
def test_whatever_a_manifest_says_its_key_is_a_name_for_a_folder(told: Any, pipeline: str, backend: str) -> None:
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,199}", key(pipeline, backend, **told))


def test_differences_name_both_values_and_leave_out_what_passes() -> None:
    old = Manifest(status="complete", provenance=PROVENANCE)
    new = PROVENANCE | {"cpu_count": 4, "cpu_features": ["avx"], "host": "x", "environment": {"XLA_FLAGS": "--y"}}
    assert differences(old, Manifest(status="complete", provenance=new)) == (
        "cpu_count: 2 → 4",
        "cpu_features: avx avx2 avx512f fma sse4_2 → avx",
        "environment.XLA_FLAGS: none → --y",
    )
    assert differences(old, old) == ()
