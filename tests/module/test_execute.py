"""How a module can end on an executor: each way has its own word, and nothing of it is left running."""

import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import BackendError
from harness.module import memory_watch
from harness.module.execute import Execution, execute
from harness.module.executors import EXECUTORS, ModuleExecutor, find_executors
from harness.module.load import load
from harness.run.inprocess.reference_interpreter import interpret
from harness.system.jobs import MARKER
from tests.support.processes import dies
from tests.support.stablehlo_modules import one_function, overlapping_pool_gradient

TEXT = one_function("    %y = stablehlo.sqrt %x : tensor<4xf32>", "%x: tensor<4xf32>", "tensor<4xf32>")
X = np.array([1.0, 4.0, 9.0, 16.0], np.float32)
SAID = MARKER + '{"compile_s": 1, "cpu_s": 0.05, "run_s": null}'
COMPILED = f"print({SAID!r}, flush=True)"


def ended(code: str, timeout_s: float = 20.0, most_bytes: int | None = None) -> Execution:
    """The end of a worker that is this program."""
    row = ModuleExecutor("own", "a test", "xla", "none", command=(sys.executable, "-c", code))
    return execute(row, TEXT, "main", [X], timeout_s=timeout_s, most_bytes=most_bytes)


@pytest.mark.parametrize("name", sorted(EXECUTORS))
def test_every_executor_of_the_table_computes_or_is_absent(name: str) -> None:
    (row,) = find_executors((name,))
    execution = execute(row, TEXT, "main", [X], timeout_s=120)
    if row.mend and execution.outcome == "absent":
        assert execution.message.endswith(f": {row.mend}")
        assert "no device here (" in execution.message
        assert execution.message.startswith(f"compiled for {row.chip}; " if row.chip else "no device")
        return
    assert (execution.outcome, execution.message) == ("ran", "")
    np.testing.assert_allclose(execution.calls[0][0], [1, 2, 3, 4], rtol=1e-6)


@pytest.mark.parametrize("name", ["iree-cuda", "iree-rocm"])
def test_what_the_compiler_refuses_is_so_also_without_its_device(name: str) -> None:
    (row,) = find_executors((name,))
    execution = execute(row, overlapping_pool_gradient(), "main", [np.ones((1, 8, 8, 2), np.float32)], timeout_s=120)
    assert execution.outcome == "refused"
    assert execution.message.startswith("iree-compile: failed to legalize operation 'stablehlo.select_and_scatter'")


def test_a_driver_that_cannot_be_loaded_is_absent() -> None:
    row = replace(EXECUTORS["vulkan"], environment={"VK_ICD_FILENAMES": "/nowhere", "VK_DRIVER_FILES": "/nowhere"})
    execution = execute(row, TEXT, "main", [X], timeout_s=120)
    assert execution.outcome == "absent"
    assert execution.message.startswith("compiled for Vulkan; no device here (")
    assert "apt-get install mesa-vulkan-drivers" in execution.message


def test_the_rows_of_gpus_take_what_their_backends_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREE_CHIP", "sm_120")
    monkeypatch.setenv("IREE_DEVICE", "cuda://1")
    monkeypatch.setenv("HARNESS_PYTHON_CUDA", "/opt/cuda/bin/python")
    iree, xla = find_executors(("iree-cuda", "xla-cuda"))
    assert (iree.chip, iree.device, iree.flags[-1]) == ("sm_120", "cuda://1", "--iree-cuda-target=sm_120")
    assert {row.command[0] for row in (iree, xla)} == {"/opt/cuda/bin/python"}
    assert xla.environment["JAX_PLATFORMS"] == "cuda"
    monkeypatch.setenv("IREE_CHIP", "m1")
    with pytest.raises(BackendError, match="IREE_CHIP is 'm1'"):
        find_executors(("iree-rocm",))


@pytest.mark.parametrize("name", ["xla", "iree", "interpreter"])
def test_arguments_of_every_type_reach_an_executor(name: str, tmp_path: Path) -> None:
    kinds = ("4xi1", "i1", "3xui8", "2xi64", "2xf64", "f32")
    given = ", ".join(f"%a{i}: tensor<{kind}>" for i, kind in enumerate(kinds))
    types = ", ".join(f"tensor<{kind}>" for kind in kinds)
    back = ", ".join(f"%a{i}" for i in range(len(kinds)))
    path = tmp_path / "same.mlir"
    path.write_text(f"func.func @main({given}) -> ({types}) {{\n  return {back} : {types}\n}}\n")
    module = load(path)
    arguments = [
        np.array([True, False, True, True]),
        np.array(True),
        np.array([1, 200, 3], np.uint8),
        np.array([-5, 2**40]),
        np.array([0.1, 1e300]),
        np.array(0.5, np.float32),
    ]
    execution = execute(EXECUTORS[name], module.text, "main", arguments, timeout_s=120)
    assert execution.outcome == "ran", execution.message
    for result, argument in zip(execution.calls[0], arguments, strict=True):
        assert result.dtype == argument.dtype
        np.testing.assert_array_equal(result, argument)


def test_what_a_compiler_refuses_is_refused_with_its_words() -> None:
    x, text = np.ones((1, 8, 8, 2), np.float32), overlapping_pool_gradient()
    execution = execute(EXECUTORS["iree"], text, "main", [x], timeout_s=120)
    assert execution.outcome == "refused"
    told = (
        "iree-compile: failed to legalize operation 'stablehlo.select_and_scatter' that was explicitly marked illegal"
    )
    assert execution.message == told
    assert execute(EXECUTORS["xla"], text, "main", [x], timeout_s=120).outcome == "ran"


def test_the_interpreter_computes_what_stablehlo_can_say() -> None:
    """JAX lowers `x**2` and its special functions to CHLO."""
    kind = "tensor<4xf64>"
    body = f"    %s = chlo.square %x : {kind} -> {kind}\n    %y = chlo.erf %s : {kind} -> {kind}"
    text = one_function(body, f"%x: {kind}", kind)
    x = np.array([0.0, 0.5, -1.0, 2.0])
    (found,) = interpret(text, "main", [x])
    np.testing.assert_allclose(found, [math.erf(value**2) for value in x], rtol=1e-15)


def test_a_device_that_is_not_here_is_absent() -> None:
    row = replace(EXECUTORS["iree"], name="iree-none", device="nowhere")
    execution = execute(row, TEXT, "main", [X], timeout_s=120)
    assert execution.outcome == "absent"
    assert "nowhere" in execution.message


def test_a_program_that_does_not_exist_is_absent() -> None:
    row = replace(EXECUTORS["iree"], command=("/nowhere/worker",))
    assert execute(row, TEXT, "main", [X], timeout_s=20).outcome == "absent"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "killed by SIGABRT"),
        ("raise ValueError('lost')", "exit code 1: ValueError: lost"),
        (COMPILED, "exit code 0"),
    ],
)
def test_a_worker_that_dies_has_crashed(code: str, message: str) -> None:
    execution = ended(code)
    assert (execution.outcome, execution.message) == ("crashed", message)


def test_what_the_interpreter_has_no_rule_for_it_refuses() -> None:
    text = (
        "func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {\n"
        "  %y = stablehlo.cholesky %x, lower = true : tensor<2x2xf32>\n  return %y : tensor<2x2xf32>\n}"
    )
    execution = execute(EXECUTORS["interpreter"], text, "main", [np.eye(2, dtype=np.float32)], timeout_s=120)
    assert execution.outcome == "refused"
    assert "stablehlo.cholesky is unsupported" in execution.message


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("[f, 0, 1, b]x[i, 0, 1, o]->[f, b, 0, 1]", (4, 3, 4, 4)),
        ("[f, 0, 1, b]x[i, 0, 1, o]->[0, f, 1, b]", (4, 4, 4, 3)),
    ],
)
def test_the_interpreter_gives_features_before_batch(axes: str, shape: tuple[int, ...]) -> None:
    result = f"tensor<{'x'.join(map(str, shape))}xf32>"
    kinds = f"(tensor<2x5x5x3xf32>, tensor<2x2x2x4xf32>) -> {result}"
    text = (
        f"func.func @main(%x: tensor<2x5x5x3xf32>, %w: tensor<2x2x2x4xf32>) -> {result} {{\n"
        f"  %y = stablehlo.convolution(%x, %w) dim_numbers = {axes}, window = {{}} "
        f"{{batch_group_count = 1 : i64, feature_group_count = 1 : i64}} : {kinds}\n  return %y : {result}\n}}"
    )
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(size).astype(np.float32) for size in ((2, 5, 5, 3), (2, 2, 2, 4)))
    (given,) = interpret(text, "main", [x, w])
    (expected,) = execute(EXECUTORS["xla"], text, "main", [x, w], timeout_s=120).calls[0]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def test_a_compiler_without_an_end_is_timed_out() -> None:
    execution = ended("import time; time.sleep(60)", timeout_s=1.0)
    assert (execution.outcome, execution.message) == ("timed out", "the compiler did not finish within 1 s")


def test_a_program_that_computes_too_long_is_timed_out() -> None:
    execution = ended(f"{COMPILED}\nwhile True: pass", timeout_s=2.0)
    assert (execution.outcome, execution.message) == ("timed out", "compiled, did not finish within 2 s")


def test_a_program_that_waits_for_ever_is_hung() -> None:
    execution = ended(f"{COMPILED}\nimport time; time.sleep(60)", timeout_s=3.0)
    assert execution.outcome == "hung"


def test_what_holds_too_much_memory_is_ended(tmp_path: Path) -> None:
    held = "held = bytearray(400 << 20); held[::4096] = bytes(len(held[::4096])); time.sleep(60)"
    told = tmp_path / "pid"
    start = f"subprocess.Popen([sys.executable, '-c', {'import time; ' + held!r}]).pid"
    code = f"import subprocess, sys, time\nopen({str(told)!r}, 'w').write(str({start}))\ntime.sleep(60)"
    execution = ended(code, most_bytes=300 << 20)
    assert execution.outcome == "out of memory"
    assert re.fullmatch(
        r"held 0\.[34] GiB compiling, more than the 0\.293 allowed; allow more with --memory", execution.message
    )
    assert dies(int(told.read_text()))
    computing = ended(f"{COMPILED}\nimport time; {held}", most_bytes=300 << 20)
    assert "GiB computing" in computing.message


@pytest.mark.parametrize(
    "code",
    [
        "import sys; print('LLVM ERROR: out of memory', file=sys.stderr); sys.exit(1)",
        "import sys; print('RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes', file=sys.stderr); sys.exit(2)",
        "bytearray(1 << 60)",
    ],
)
def test_who_says_that_there_is_no_memory_is_out_of_it(code: str) -> None:
    assert ended(code).outcome == "out of memory"


@pytest.mark.parametrize(("kills", "outcome"), [([3, 4], "out of memory"), ([3, 3], "crashed")])
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 9)",
        "import sys; print('iree-compile: no message (signal 9)', file=sys.stderr); sys.exit(2)",
    ],
    ids=["worker", "compiler"],
)
def test_what_the_system_kills_for_want_of_memory_is_out_of_it(
    code: str, kills: list[int], outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter(kills)
    monkeypatch.setattr(memory_watch, "kills_so_far", lambda: next(counts))
    found = ended(code)
    assert found.outcome == ("refused" if outcome == "crashed" and "compile" in code else outcome)


def test_what_a_worker_started_ends_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    start = "subprocess.Popen(['sleep', '300'], start_new_session=True).pid"
    code = f"import subprocess, time\nopen({str(told)!r}, 'w').write(str({start}))\ntime.sleep(60)"
    assert ended(code, timeout_s=2.0).outcome == "timed out"
    assert dies(int(told.read_text()))


def test_what_would_not_end_in_time_is_not_started() -> None:
    execution = execute(EXECUTORS["interpreter"], TEXT, "main", [X], timeout_s=60, operations=10**9)
    assert execution.outcome == "not started"
    assert "2000 s" in execution.message
