"""IREE's code for Vulkan, a real generator of GPU code: right modules are rounding, its known faults are found."""

from pathlib import Path

import numpy as np
import pytest

from harness.module.check import check_module
from harness.module.execute import execute
from harness.module.executors import EXECUTORS
from harness.module.inputs import draw
from harness.module.load import load
from harness.module.task import Array
from harness.module.words import ModuleCheck
from tests.support.stablehlo_modules import SGD_STEP, one_function

VULKAN = EXECUTORS["vulkan"]


@pytest.fixture(scope="module")
def vulkan() -> None:
    """Skips without a driver: `make vulkan` installs one where it can."""
    text = one_function("    %y = stablehlo.negate %x : tensor<2xf32>", "%x: tensor<2xf32>", "tensor<2xf32>")
    execution = execute(VULKAN, text, "main", [np.ones(2, np.float32)], timeout_s=120)
    if execution.outcome == "absent":
        pytest.skip(execution.message)
    assert execution.outcome == "ran", execution.message
    assert execution.device


def summed(shape: tuple[int, ...], axes: tuple[int, ...], *, back: bool) -> str:
    """A module that sums over axes, and with `back` has the sums in every place that they are of."""
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    whole = f"tensor<{'x'.join(map(str, shape))}xf32>"
    sums = f"tensor<{'x'.join([*(str(shape[axis]) for axis in kept), 'f32'])}>"
    name = "s" if back else "y"
    body = f"    %zero = stablehlo.constant dense<0.0> : tensor<f32>\n    %{name} = stablehlo.reduce(%x init: %zero)"
    body += f" applies stablehlo.add across dimensions = {list(axes)} : ({whole}, tensor<f32>) -> {sums}"
    if back:
        body += f"\n    %y = stablehlo.broadcast_in_dim %s, dims = {kept} : ({sums}) -> {whole}"
    return one_function(body, f"%x: {whole}", whole if back else sums)


def verdict(text: str, folder: Path, arguments: list[Array] | None = None) -> ModuleCheck:
    path = folder / "module.mlir"
    path.write_text(text)
    module = load(path)
    fed = draw(module, 0) if arguments is None else arguments
    return check_module(module, [EXECUTORS["iree"], VULKAN], fed, seed=0, timeout_s=120)


@pytest.mark.usefixtures("vulkan")
def test_a_right_module_is_off_by_rounding_on_vulkan(tmp_path: Path) -> None:
    check = verdict(SGD_STEP, tmp_path)
    assert [one.word for one in check.executors] == ["rounding", "rounding"]
    assert check.exit_code == 0


@pytest.mark.usefixtures("vulkan")
def test_sums_that_vulkan_loses_in_a_long_loop_are_a_fault(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((128, 6, 28, 28), np.float32)
    check = verdict(summed(x.shape, (0, 2, 3), back=False), tmp_path, [x])
    assert [one.word for one in check.executors] == ["rounding", "fault"]
    assert check.executors[1].results[0].note == "wrong in 3 of 3 runs"
    assert check.exit_code == 1


@pytest.mark.usefixtures("vulkan")
def test_sums_that_vulkan_reads_before_they_are_there_are_a_race(tmp_path: Path) -> None:
    check = verdict(summed((2, 128, 64), (1,), back=True), tmp_path)
    right, wrong = check.executors
    assert right.word == "rounding"
    assert wrong.word in ("fault", "race")
    assert check.exit_code == 1


@pytest.mark.usefixtures("vulkan")
def test_arguments_and_results_of_every_type_reach_vulkan(tmp_path: Path) -> None:
    kinds = ("4xi1", "i1", "2xi32", "3xui32", "2x2xf32", "f32", "0xf32")
    body = "".join(
        f"  %y{i} = stablehlo.select %a1, %a{i}, %a{i} : tensor<i1>, tensor<{kind}>\n" for i, kind in enumerate(kinds)
    )
    given = ", ".join(f"%a{i}: tensor<{kind}>" for i, kind in enumerate(kinds))
    types = ", ".join(f"tensor<{kind}>" for kind in kinds)
    back = ", ".join(f"%y{i}" for i in range(len(kinds)))
    path = tmp_path / "same.mlir"
    path.write_text(f"func.func @main({given}) -> ({types}) {{\n{body}  return {back} : {types}\n}}\n")
    arguments = [
        np.array([True, False, True, True]),
        np.array(True),
        np.array([-5, 2**30], np.int32),
        np.array([1, 2**32 - 1, 3], np.uint32),
        np.array([[0.1, 2], [3, 4]], np.float32),
        np.array(0.5, np.float32),
        np.empty(0, np.float32),
    ]
    execution = execute(VULKAN, load(path).text, "main", arguments, timeout_s=120)
    assert execution.outcome == "ran", execution.message
    for result, argument in zip(execution.calls[0], arguments, strict=True):
        assert result.dtype == argument.dtype
        np.testing.assert_array_equal(result, argument)
