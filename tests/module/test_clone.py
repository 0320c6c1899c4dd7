"""Clones: what they keep, what they replace."""

import numpy as np
import pytest

from harness.module.clone import Inliner, Widener
from harness.module.noise import NoisyWidener
from harness.run.inprocess.reference_interpreter import interpret
from tests.support.stablehlo_modules import SGD_STEP, nested_calls, one_function, pool_gradient

X = np.linspace(-1.0, 1.0, 20, dtype=np.float32).reshape(4, 5)
W = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)


def test_an_inlined_function_computes_the_same_bits() -> None:
    text = nested_calls()
    inlined = Inliner().clone(text, "main")
    assert "call @" in text
    assert "call @" not in inlined
    for one, other in zip(interpret(text, "main", [X, W]), interpret(inlined, "main", [X, W]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("values", ["1.000000e-01", "[0.1, 0.2]"])
def test_constants_keep_their_f32_values_in_f64(values: str) -> None:
    text = one_function(f"    %y = stablehlo.constant dense<{values}> : tensor<2xf32>", "", "tensor<2xf32>")
    (result,) = interpret(Widener().clone(text, "main"), "main", [])
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, interpret(text, "main", [])[0].astype(np.float64))


def test_whole_numbers_and_meant_roundings_stay() -> None:
    body = """
    %h = stablehlo.convert %x : (tensor<2xf32>) -> tensor<2xbf16>
    %y = stablehlo.convert %h : (tensor<2xbf16>) -> tensor<2xf32>"""
    text = Widener().clone(one_function(body, "%x: tensor<2xf32>, %n: tensor<2xi32>", "tensor<2xf32>"), "main")
    assert "tensor<2xbf16>" in text
    (result,) = interpret(text, "main", [np.array([1.001, 3.0]), np.zeros(2, np.int32)])
    np.testing.assert_array_equal(result, [1.0, 3.0])


def test_bits_stay_those_of_an_f32() -> None:
    body = """
    %b = stablehlo.bitcast_convert %x : (tensor<2xf32>) -> tensor<2xui32>
    %one = stablehlo.constant dense<1> : tensor<2xui32>
    %c = stablehlo.add %b, %one : tensor<2xui32>
    %y = stablehlo.bitcast_convert %c : (tensor<2xui32>) -> tensor<2xf32>"""
    text = Widener().clone(one_function(body, "%x: tensor<2xf32>", "tensor<2xf32>"), "main")
    (result,) = interpret(text, "main", [np.array([1.0, 3.0])])
    np.testing.assert_array_equal(result, np.nextafter(np.array([1.0, 3.0], np.float32), np.float32(4.0)))


@pytest.mark.parametrize(("kind", "numbers"), [("f64", [0.1, 1e9 + 1]), ("i32", [3, 2**24 + 1])])
def test_what_is_no_f32_is_rounded_to_one_where_the_program_does(kind: str, numbers: list[float]) -> None:
    body = f"    %y = stablehlo.convert %x : (tensor<2x{kind}>) -> tensor<2xf32>"
    text = Widener().clone(one_function(body, f"%x: tensor<2x{kind}>", "tensor<2xf32>"), "main")
    given = np.array(numbers, np.float64 if kind == "f64" else np.int32)
    (result,) = interpret(text, "main", [given])
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, given.astype(np.float32))


def test_a_number_that_is_an_f32_by_definition_stays_one() -> None:
    kind, vector = "tensor<2x3xf32>", "tensor<3xf32>"
    types = ", ".join([kind, *[vector] * 4])
    body = '    %y = "stablehlo.batch_norm_inference"(%x, %s, %s, %s, %s)'
    body += " {epsilon = 1.0e-3 : f32, feature_index = 1 : i64}"
    text = Widener().clone(one_function(f"{body} : ({types}) -> {kind}", f"%x: {kind}, %s: {vector}", kind), "main")
    assert ": f32" in text
    assert "-> tensor<2x3xf64>" in text


def test_types_fit_in_the_function_of_a_reduction_too() -> None:
    body = """
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %y = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<f32>
     reducer(%a: tensor<f32>, %b: tensor<f32>) {
      %bits = stablehlo.bitcast_convert %b : (tensor<f32>) -> tensor<i32>
      %back = stablehlo.bitcast_convert %bits : (tensor<i32>) -> tensor<f32>
      %sum = stablehlo.add %a, %back : tensor<f32>
      stablehlo.return %sum : tensor<f32>
    }"""
    text = NoisyWidener().clone(one_function(body, "%x: tensor<3xf32>", "tensor<f32>"), "main")
    assert "(tensor<f64>) -> tensor<i32>" not in text


@pytest.mark.parametrize("text", [nested_calls(), SGD_STEP, pool_gradient()])
def test_a_noisy_clone_takes_amplitudes_and_a_seed_more(text: str) -> None:
    name = "train_step" if "@train_step" in text else "main"
    wide, noisy = Widener().clone(text, name), NoisyWidener().clone(text, name)
    head = noisy.split("->")[0]
    assert head.count("%arg") == wide.split("->")[0].count("%arg") + 3
    assert head.rstrip(") ").endswith("tensor<ui32>")
