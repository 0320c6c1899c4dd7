"""The noisy f64 version: exact without amplitude, of the stated size with one."""

from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from harness.module.clone import Widener
from harness.module.noise import UNIT, NoisyWidener
from harness.run.inprocess.reference_interpreter import interpret
from harness.run.xla_device import XlaDevice
from tests.support.stablehlo_modules import SGD_STEP, one_function, pool_gradient

COUNT = 4096
X = np.random.default_rng(1).uniform(1.0, 2.0, COUNT)


def run(text: str, *arguments: np.ndarray, amplitude: float, ties: float = 0.0, seed: int = 1) -> list[np.ndarray]:
    more = [np.array(amplitude), np.array(ties), np.array(seed, np.uint32)]
    return interpret(NoisyWidener().clone(text, "main"), "main", [*arguments, *more])


def binary(op: str) -> str:
    kind = f"tensor<{COUNT}xf32>"
    return one_function(f"    %y = stablehlo.{op} %x, %x : {kind}", f"%x: {kind}", kind)


def test_without_amplitude_every_bit_is_that_of_the_f64_version() -> None:
    random = np.random.default_rng(0)
    shapes = [(8, 12), (12, 6), (6,), (6, 3), (8, 3), ()]
    arguments = [random.uniform(0.1, 1.0, shape) for shape in shapes]
    text = SGD_STEP.replace("@train_step", "@main")
    exact = interpret(Widener().clone(text, "main"), "main", arguments)
    for one, other in zip(exact, run(text, *arguments, amplitude=0.0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("op", "roundings"), [("add", 1.0), ("multiply", 1.0), ("divide", 2.0), ("power", 4.0)])
def test_a_result_is_moved_by_the_roundings_of_its_operation(op: str, roundings: float) -> None:
    text = binary(op)
    (exact,), (noisy,) = run(text, X, amplitude=0.0), run(text, X, amplitude=1e-6)
    relative = noisy / exact - 1
    assert np.std(relative) == pytest.approx(roundings * 1e-6, rel=0.05)
    assert abs(np.mean(relative)) < 1e-6 * roundings * 5 / COUNT**0.5


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_what_does_not_round_gets_no_noise(op: str) -> None:
    (result,) = run(binary(op), X, amplitude=1e-3)
    np.testing.assert_array_equal(result, X)


def test_what_cancels_in_a_product_of_bf16_is_moved_as_its_f32_sum_is() -> None:
    kind = "(tensor<64x64xbf16>, tensor<64xbf16>) -> tensor<64xf32>"
    body = f"    %y = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : {kind}"
    text = one_function(body, "%x: tensor<64x64xbf16>, %w: tensor<64xbf16>", "tensor<64xf32>")
    x, w = np.ones((64, 64), bfloat16), np.repeat([1, -1], 32).astype(bfloat16)
    (noisy,) = run(text, x, w, amplitude=1e-6)  # far less than bf16 holds
    # Terms of both operands, of 64 each, are moved by eight amplitudes.
    assert np.std(noisy) == pytest.approx(np.sqrt(2 * 64) * 8e-6, rel=0.3)


def test_a_matrix_is_moved_before_it_is_factored(tmp_path: Path) -> None:
    kind = "tensor<5x5xf32>"
    clone = NoisyWidener().clone(one_function(f"    %y = stablehlo.cholesky %x : {kind}", f"%x: {kind}", kind), "main")
    (tmp_path / "noisy.mlir").write_text(clone)
    device = XlaDevice([tmp_path / "noisy.mlir"])
    hilbert = 1.0 / (1.0 + np.add.outer(np.arange(5), np.arange(5)))

    def last_pivot(amplitude: float) -> float:
        fed = [hilbert, np.array(amplitude), np.array(0.0), np.array(1, np.uint32)]
        (factor,) = device.call("main", [device.put(array) for array in fed])
        return float(device.get(factor)[4, 4])

    # Nearly singular: what is 1e-9 of an element is a hundred times that of the last pivot, and more.
    assert abs(last_pivot(1e-9) / last_pivot(0.0) - 1) > 1e-7


def test_other_seeds_give_other_noise_and_the_same_seed_the_same() -> None:
    one, again, other = (run(binary("add"), X, amplitude=1e-6, seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert np.count_nonzero(one == other) < COUNT / 100
    assert abs(np.corrcoef(one - 2 * X, other - 2 * X)[0, 1]) < 0.1


def test_a_sum_is_moved_as_by_the_rounding_of_all_its_terms() -> None:
    zero = "    %zero = stablehlo.constant dense<0.0> : tensor<f32>\n"
    kind = "(tensor<400x100xf32>, tensor<f32>) -> tensor<400xf32>"
    body = f"    %y = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : {kind}"
    text = one_function(zero + body, "%x: tensor<400x100xf32>", "tensor<400xf32>")
    ones = np.ones((400, 100))
    (noisy,) = run(text, ones, amplitude=1e-6)
    # A hundred terms, each moved by ten amplitudes, and the result by a quarter of the root of 100 / 3.
    assert np.std(noisy / 100 - 1) == pytest.approx(1e-6 * np.sqrt(1 + 100 / 48), rel=0.15)


def test_a_long_sum_of_one_sign_is_moved_as_by_its_partial_sums() -> None:
    terms, rows = 1 << 14, 64
    zero = "    %zero = stablehlo.constant dense<0.0> : tensor<f32>\n"
    kind = f"(tensor<{rows}x{terms}xf32>, tensor<f32>) -> tensor<{rows}xf32>"
    body = f"    %y = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : {kind}"
    text = one_function(zero + body, f"%x: tensor<{rows}x{terms}xf32>", f"tensor<{rows}xf32>")
    x = np.random.default_rng(0).uniform(0.0, 1.0, (rows, terms)).astype(np.float32)
    exact = x.sum(1, dtype=np.float64)
    (noisy,) = run(text, x.astype(np.float64), amplitude=4 * UNIT)
    moved, added = np.std(noisy / exact - 1), np.std(np.cumsum(x, 1)[:, -1] / exact - 1)  # cumsum adds one by one
    assert added < moved < 5 * added


def test_ties_of_a_pool_are_broken_by_their_own_amplitude_only() -> None:
    text, zeros = pool_gradient(), np.zeros((1, 8, 8, 4))
    (plain,) = run(text, zeros, amplitude=1e-6)
    (tied,) = run(text, zeros, amplitude=1e-6, ties=1e-6)
    assert np.array_equal(plain != 0, run(text, zeros, amplitude=0.0)[0] != 0)
    assert np.count_nonzero((plain != 0) != (tied != 0)) > 20
    assert plain.sum() == pytest.approx(tied.sum(), rel=1e-4)
