"""Which of several equal elements is chosen: a tie where the specification leaves it open, else a fault."""

import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.module.check import check_module
from harness.module.executors import EXECUTORS
from harness.module.load import load
from harness.module.noise import NoisyWidener
from harness.module.task import Array
from harness.module.words import ModuleCheck
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import lowered, one_function, pool_gradient

pytestmark = pytest.mark.usefixtures("workers_here")

WORKER = ROOT / "tests" / "support" / "faulty_worker.py"
KEYS = np.array([[0.5, 0.25, 0.5, 1.0, 0.25, 1.0, 0.0, 0.0]] * 3, np.float32)
VALUES = np.arange(1.0, 25.0, dtype=np.float32).reshape(3, 8)
POSITION = """
    %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %none = stablehlo.constant dense<-1> : tensor<i32>
    %i = stablehlo.iota dim = 1 : tensor<3x8xi32>
    %m, %y = stablehlo.reduce(%x init: %low), (%i init: %none) across dimensions = [1]
        : (tensor<3x8xf32>, tensor<3x8xi32>, tensor<f32>, tensor<i32>) -> (tensor<3xf32>, tensor<3xi32>)
      reducer(%a: tensor<f32>, %b: tensor<f32>) (%k: tensor<i32>, %l: tensor<i32>) {
        %on = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
        %v = stablehlo.select %on, %a, %b : tensor<i1>, tensor<f32>
        %p = stablehlo.select %on, %k, %l : tensor<i1>, tensor<i32>
        stablehlo.return %v, %p : tensor<f32>, tensor<i32>
      }"""


def sorted_text(*, stable: bool) -> str:
    """The values in the order of the keys."""
    return lowered(lambda x, v: jax.lax.sort((x, v), num_keys=1, is_stable=stable)[1], KEYS, VALUES)


def first_largest() -> str:
    """The position of the largest element, by a reduction that does not compare positions."""
    return one_function(POSITION, "%x: tensor<3x8xf32>", "tensor<3xi32>")


def verdict(text: str, arguments: list[Array], folder: Path) -> ModuleCheck:
    path = folder / "module.mlir"
    path.write_text(text)
    row = replace(EXECUTORS["xla"], name="faulty", command=(sys.executable, str(WORKER), "backwards"))
    return check_module(load(path), [EXECUTORS["xla"], row], arguments, seed=0, timeout_s=120)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [(sorted_text(stable=False), [KEYS, VALUES]), (first_largest(), [KEYS])],
    ids=["sort", "position of the largest"],
)
def test_another_one_of_equal_elements_is_a_tie(text: str, arguments: list[Array], tmp_path: Path) -> None:
    check = verdict(text, arguments, tmp_path)
    assert [one.word for one in check.executors] == ["rounding", "tie"]
    assert check.exit_code == 0


def test_without_equal_elements_the_other_order_is_nothing(tmp_path: Path) -> None:
    keys = np.random.default_rng(0).permuted(VALUES, axis=1)
    check = verdict(sorted_text(stable=False), [keys, VALUES], tmp_path)
    assert [one.word for one in check.executors] == ["rounding", "rounding"]


def test_a_stable_sort_leaves_nothing_open(tmp_path: Path) -> None:
    check = verdict(sorted_text(stable=True), [KEYS, VALUES], tmp_path)
    assert [one.word for one in check.executors] == ["rounding", "fault"]


@pytest.mark.parametrize(
    ("text", "chooses"),
    [
        (sorted_text(stable=False), True),
        (sorted_text(stable=True), False),
        (first_largest(), True),
        (lowered(lambda x: jnp.argmax(x, 1), KEYS), False),
        (lowered(lambda x: jnp.sort(x, 1), KEYS), False),
        (pool_gradient(), True),
    ],
    ids=["sort", "stable sort", "position", "argmax", "sort of one", "pool"],
)
def test_only_what_is_left_open_may_be_chosen_otherwise(text: str, chooses: bool, tmp_path: Path) -> None:
    path = tmp_path / "module.mlir"
    path.write_text(text)
    widener = NoisyWidener()
    widener.clone(load(path).inlined, "main")
    assert widener.chooses == chooses
