"""Units that rounding flips are counted, and told only where they are what moves a result."""

from pathlib import Path

import numpy as np
import pytest

from harness.module.check import check_module
from harness.module.executors import EXECUTORS
from harness.module.flips import decided
from harness.module.inputs import draw
from harness.module.load import StableModule, load
from harness.module.task import Array
from tests.support.stablehlo_modules import SGD_STEP, nested_calls

pytestmark = pytest.mark.usefixtures("workers_here")


def step(folder: Path, text: str = SGD_STEP) -> StableModule:
    path = folder / "module.mlir"
    path.write_text(text)
    return load(path)


def notes(module: StableModule, arguments: list[Array]) -> dict[str, str]:
    check = check_module(module, [EXECUTORS["xla"]], arguments, seed=0, timeout_s=120)
    assert check.executors[0].word == "rounding"
    return {result.name: result.note for result in check.executors[0].results}


def test_a_unit_at_its_bend_is_told_where_it_counts(tmp_path: Path) -> None:
    module = step(tmp_path)
    x, w0, b0, *others = draw(module, 0)
    b0[0] = -(x.astype(np.float64) @ w0)[2, 0]  # one unit of 8 x 6 is as close to zero as f32 can bring it
    found = notes(module, [x, w0, b0, *others])
    told = "rounding flips up to 1 of 48 units"
    assert found == {"new W0": told, "new b0": told, "new W1": "", "loss": ""}


def test_without_a_unit_at_its_bend_nothing_is_told(tmp_path: Path) -> None:
    module = step(tmp_path)
    assert set(notes(module, draw(module, 0)).values()) == {""}


def test_comparisons_become_results_of_what_depends_on_them(tmp_path: Path) -> None:
    module = step(tmp_path)
    found = decided(module.inlined)
    assert found.behind == (frozenset({0}), frozenset({0}), frozenset(), frozenset())
    assert found.units == 48
    path = tmp_path / "decided.mlir"
    path.write_text(found.text)
    assert [str(result.type) for result in load(path).results] == ["12x6xf32", "6xf32", "6x3xf32", "f32", "8x6xi1"]


def test_comparisons_inside_loops_stay_there(tmp_path: Path) -> None:
    module = step(tmp_path, nested_calls())
    found = decided(module.inlined)
    path = tmp_path / "decided.mlir"
    path.write_text(found.text)
    assert len(load(path).results) == len(module.results) + len(frozenset().union(*found.behind))
