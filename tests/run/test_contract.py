"""The environment contract: read strictly, steered by the harness, recorded without paths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ContractError
from harness.run.backends import BACKENDS
from harness.run.contract import RECORDED, VARIABLES, child_environment, read_contract, read_max_steps

PUBLISHED = (
    "LEAN_MLIR_INIT_DUMP",
    "LEAN_MLIR_INIT_LOAD",
    "LEAN_MLIR_NO_SHUFFLE",
    "LEAN_MLIR_TRACE_OUT",
    "LEAN_MLIR_MAX_STEPS",
    "IREE_BACKEND",
    "IREE_CHIP",
    "IREE_DEVICE",
    "JAX_PLATFORMS",
    "JAX_DISABLE_JIT",
    "XLA_FLAGS",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "LLVM_PATH",
)
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_every_variable_has_a_meaning() -> None:
    assert set(PUBLISHED) <= set(VARIABLES)
    assert all(VARIABLES.values())


def test_all_variables_but_those_of_files_are_recorded() -> None:
    files = {"LEAN_MLIR_INIT_DUMP", "LEAN_MLIR_INIT_LOAD", "LEAN_MLIR_TRACE_OUT"}
    files |= {"HARNESS_STATE_OUT", "HARNESS_STATE_IN", "HARNESS_LOGITS_OUT"}
    assert set(VARIABLES) - set(RECORDED) == files, "all but the harness's own files"


def test_nothing_set_gives_the_defaults() -> None:
    contract = read_contract({})
    assert (contract.init_dump, contract.init_load, contract.max_steps) == (None, None, None)
    assert contract.shuffle
    assert contract.trace_out == Path("/dev/null")
    assert (contract.channels, contract.backend, contract.device) == ("default", "cpu", "local-task")


def test_the_device_is_the_backends_own() -> None:
    for row in BACKENDS.values():
        contract = read_contract({"IREE_BACKEND": row.iree_backend})
        assert (contract.backend, contract.device) == (row.name, row.hal_device)


def test_every_variable_is_read() -> None:
    contract = read_contract(
        {
            "LEAN_MLIR_INIT_DUMP": "a/dump",
            "LEAN_MLIR_INIT_LOAD": "a/load",
            "LEAN_MLIR_TRACE_OUT": "a/trace",
            "LEAN_MLIR_NO_SHUFFLE": "1",
            "LEAN_MLIR_MAX_STEPS": "200",
            "HARNESS_TRACE_CHANNELS": "all",
            "IREE_BACKEND": "rocm",
            "IREE_DEVICE": "hip://1",
        }
    )
    assert [contract.init_dump, contract.init_load, contract.trace_out] == list(
        map(Path, ["a/dump", "a/load", "a/trace"])
    )
    assert (contract.shuffle, contract.max_steps, contract.channels) == (False, 200, "all")
    assert (contract.backend, contract.device) == ("rocm", "hip://1")


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("LEAN_MLIR_NO_SHUFFLE", "0", "is '0', expected 1. Unset it for the default."),
        ("LEAN_MLIR_NO_SHUFFLE", "", "is '', expected 1. Unset it for the default."),
        ("LEAN_MLIR_NO_SHUFFLE", "true", "is 'true', expected 1. Unset it for the default."),
        ("LEAN_MLIR_NO_SHUFFLE", "x" * 99, f"is '{'x' * 37}...', expected 1. Unset it for the default."),
        ("LEAN_MLIR_INIT_LOAD", "", "is empty, expected a path. Unset it or give one."),
        ("LEAN_MLIR_INIT_DUMP", "", "is empty, expected a path. Unset it or give one."),
        ("LEAN_MLIR_TRACE_OUT", "", "is empty, expected a path. Unset it or give one."),
        ("HARNESS_TRACE_CHANNELS", "some", "is 'some', expected default or all or none. Unset it for the default."),
        ("IREE_BACKEND", "cpu", f"is 'cpu', expected {' or '.join(r.iree_backend for r in BACKENDS.values())}. "),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, value: str, what: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_contract({name: value})
    assert str(caught.value).startswith(f"{name} {what}")


@pytest.mark.parametrize("value", ["0", "-1", "+1", "", " 1", "1 ", "1.0", "1e3", "ten", "١", "²", "0x10", "9" * 5000])
def test_a_step_limit_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ContractError, match=r"^LEAN_MLIR_MAX_STEPS is '.*, expected a whole number of at least 1\. "):
        read_max_steps({"LEAN_MLIR_MAX_STEPS": value})


@given(st.integers(1, 2**53))
def test_step_limits_are_whole_numbers_up_to_2_to_the_53(limit: int) -> None:
    assert read_max_steps({"LEAN_MLIR_MAX_STEPS": str(limit)}) == limit
    assert read_max_steps({}) is None


@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), WORDS))
def test_no_environment_gives_a_traceback(environment: dict[str, str]) -> None:
    try:
        read_contract(environment)
    except ContractError as error:
        assert len(str(error).splitlines()) == 1


def test_channels_say_at_which_steps_norms_are_taken() -> None:
    at = {channels: read_contract({"HARNESS_TRACE_CHANNELS": channels}) for channels in ("default", "all", "none")}
    assert [k for k in range(1, 200) if at["default"].observes(k)] == [*range(1, 9), 64, 128, 192]
    assert all(at["all"].observes(k) for k in range(1, 200))
    assert not any(at["none"].observes(k) for k in range(1, 200))


def test_a_program_inherits_the_shell_but_for_the_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    shell = {"PATH": "/bin", "LEAN_MLIR_MAX_STEPS": "3", "IREE_BACKEND": "cuda", "HIP_VISIBLE_DEVICES": "1"}
    given = {"LEAN_MLIR_NO_SHUFFLE": "1", "LEAN_MLIR_INIT_LOAD": "build/init.bin", "HIP_VISIBLE_DEVICES": "0"}
    assert child_environment(given, shell) == {
        "PATH": "/bin",
        "HIP_VISIBLE_DEVICES": "0",
        "LEAN_MLIR_NO_SHUFFLE": "1",
        "LEAN_MLIR_INIT_LOAD": str(tmp_path / "build/init.bin"),
    }
