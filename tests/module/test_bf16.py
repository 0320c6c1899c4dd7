"""Arguments and results of bf16: they reach every executor, come from files, and are judged at their own roundoff."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.errors import ModuleError
from harness.module.check import check_module
from harness.module.execute import execute
from harness.module.executors import EXECUTORS
from harness.module.inputs import draw, read
from harness.module.load import StableModule, load
from tests.support.stablehlo_modules import one_function

pytestmark = pytest.mark.usefixtures("workers_here")

BF16 = ml_dtypes.bfloat16
KIND = "tensor<4x6xbf16>"
SCALED = one_function(
    f"    %z = stablehlo.multiply %x, %x : {KIND}\n    %y = stablehlo.add %z, %x : {KIND}", f"%x: {KIND}", KIND
)


@pytest.fixture
def scaled(tmp_path: Path) -> StableModule:
    """x * x + x, in bf16."""
    path = tmp_path / "scaled.mlir"
    path.write_text(SCALED)
    return load(path)


@pytest.mark.parametrize("name", ["xla", "iree", "interpreter"])
def test_bf16_reaches_an_executor_and_comes_back(name: str, scaled: StableModule) -> None:
    (x,) = draw(scaled, 0)
    assert x.dtype == BF16
    execution = execute(EXECUTORS[name], scaled.text, "main", [x], timeout_s=120)
    assert execution.outcome == "ran", execution.message
    (y,) = execution.calls[0]
    assert (y.dtype, y.shape) == (BF16, (4, 6))
    wide = x.astype(np.float64)
    np.testing.assert_allclose(y.astype(np.float64), wide * wide + wide, rtol=2.0**-7, atol=1e-2)


def test_results_of_bf16_are_judged_by_their_own_roundoff(scaled: StableModule) -> None:
    executors = [EXECUTORS[name] for name in ("xla", "iree", "interpreter")]
    check = check_module(scaled, executors, draw(scaled, 0), seed=0, timeout_s=120)
    assert [one.word for one in check.executors] == ["rounding"] * 3
    assert all(1e-3 < result.bound < 0.5 for one in check.executors for result in one.results)


def test_bf16_of_a_file_is_taken_as_numpy_writes_it_or_from_f32(scaled: StableModule, tmp_path: Path) -> None:
    (x,) = draw(scaled, 1)
    for name, array in (("own", x), ("wide", x.astype(np.float32))):
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=array)
        (taken,) = read(path, scaled)
        assert taken.dtype == BF16
        np.testing.assert_array_equal(taken, x)


def test_f32_that_bf16_cannot_hold_is_refused(scaled: StableModule, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, x=np.full((4, 6), 0.1, np.float32))
    expected = r"'x' is 4x6xfloat32, expected 4x6xbfloat16 or float32 that it can hold\. Convert it\."
    with pytest.raises(ModuleError, match=expected):
        read(path, scaled)


def test_saved_results_of_bf16_are_f32(scaled: StableModule, tmp_path: Path) -> None:
    saved = tmp_path / "out.npz"
    words = ["module", "run", str(scaled.path), "--on", "xla", "--save", str(saved)]
    found = CliRunner().invoke(main, words, catch_exceptions=False)
    assert found.exit_code == 0
    with np.load(saved) as file:
        assert file["xla/0"].dtype == np.float32
        np.testing.assert_array_equal(file["xla/0"], file["xla/0"].astype(BF16).astype(np.float32))
