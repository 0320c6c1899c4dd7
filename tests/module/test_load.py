"""A file becomes a module: forms, names, pairs, roles, and what is refused by name."""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.errors import ModuleError
from harness.module.load import load
from harness.module.mlir import parsed, stablehlo
from harness.run.xla_device import XlaDevice
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import SGD_STEP, nested_calls, one_function


@pytest.fixture
def step(tmp_path: Path) -> Path:
    path = tmp_path / "step.mlir"
    path.write_text(SGD_STEP)
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "module.mlir"
    path.write_text(text)
    return path


def test_the_names_of_the_text_and_the_roles_of_a_step(step: Path) -> None:
    module = load(step)
    assert module.function == "train_step"
    roles = {argument.name: argument.role for argument in module.arguments}
    assert roles == {
        "x": "images",
        "W0": "parameter",
        "b0": "parameter",
        "W1": "parameter",
        "onehot": "one-hot",
        "lr": "rate",
    }
    assert [(result.name, result.argument) for result in module.results] == [
        ("new W0", 1),
        ("new b0", 2),
        ("new W1", 3),
        ("loss", None),
    ]
    assert module.loss == 3
    assert module.ops["stablehlo.dot_general"] == 5


def test_bytecode_and_portable_artifacts_are_the_same_module(step: Path, tmp_path: Path) -> None:
    with parsed(SGD_STEP) as module:
        code = io.BytesIO()
        module.operation.write_bytecode(code)
        artifact = stablehlo.serialize_portable_artifact_str(str(module), stablehlo.get_current_version())
    text = load(step)
    for content, form in ((code.getvalue(), "bytecode"), (artifact, "portable artifact")):
        path = tmp_path / "step.mlirbc"
        path.write_bytes(content)
        module = load(path)
        assert module.form == form
        assert module.text == text.text
        assert [argument.name for argument in module.arguments] == [f"arg{i}" for i in range(6)]
        assert [argument.type for argument in module.arguments] == [argument.type for argument in text.arguments]


def test_an_emitted_step_pairs_parameters_moments_and_squares() -> None:
    path = ROOT / "tests" / "golden" / "mnist_mlp.phase3.train_step.mlir"
    module = load(path, "train_step")
    named = {argument.name: argument for argument in module.arguments}
    assert (named["dense1_w"].role, named["dense1_w_m"].role, named["dense1_w_v"].role) == (
        "parameter",
        "state",
        "squares",
    )
    assert module.results[named["dense1_w_v"].result or 0].name == "new dense1_w_v"
    assert module.results[19].name == "dense1_w_grad"
    assert module.classes == {19: 10}
    assert module.operations > 1e8


def test_a_choice_is_asked_for_where_there_are_several_functions() -> None:
    path = ROOT / "tests" / "golden" / "mnist_mlp.phase3.train_step.mlir"
    with pytest.raises(ModuleError, match="it has the functions train_step, observe"):
        load(path)
    with pytest.raises(ModuleError, match="unknown function 'trainstep'; did you mean 'train_step'"):
        load(path, "trainstep")


def test_private_functions_are_part_of_the_one_that_calls_them(tmp_path: Path) -> None:
    module = load(written(tmp_path, nested_calls()))
    assert module.function == "main"
    assert len(module.functions) > 2
    assert module.refusals == ()
    assert "func.call" not in module.ops


def test_an_error_of_the_text_has_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "module {\n  func.func @main( }\n")
    with pytest.raises(ModuleError, match=r"module\.mlir:2:19: expected .* Expected a StableHLO module"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"ML\xefR\x00", b"hello"])
def test_a_file_that_is_no_module_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.mlir"
    path.write_bytes(content)
    with pytest.raises(ModuleError) as raised:
        load(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_function_without_a_body_is_refused(tmp_path: Path) -> None:
    text = """module {
  func.func private @other(tensor<2xf32>) -> tensor<2xf32>
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %y = call @other(%x) : (tensor<2xf32>) -> tensor<2xf32>
    return %y : tensor<2xf32>
  }
}"""
    with pytest.raises(ModuleError, match="function @other has no body"):
        load(written(tmp_path, text))


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    body = "    %z = call @turn(%x) : (tensor<2xf32>) -> tensor<2xf32>\n    return %z : tensor<2xf32>\n"
    text = f"""module {{
  func.func private @turn(%x: tensor<2xf32>) -> tensor<2xf32> {{
{body}  }}
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {{
{body}  }}
}}"""
    with pytest.raises(ModuleError, match="function @turn calls itself"):
        load(written(tmp_path, text))


X = "%x: tensor<4xf32>"
LOOP = """
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %end = stablehlo.constant dense<5> : tensor<i32>
    %one = stablehlo.constant dense<1> : tensor<i32>
    %n, %y = stablehlo.while(%i = %zero, %v = %x) : tensor<i32>, tensor<4xf32>
    cond {{
      %c = stablehlo.compare LT, %i, %end : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    }} do {{
      %next = stablehlo.{op} %i, %one : tensor<i32>
      stablehlo.return %next, %v : tensor<i32>, tensor<4xf32>
    }}"""


@pytest.mark.parametrize(
    ("body", "op", "reason"),
    [
        (
            "    %y = stablehlo.custom_call @mine(%x) {has_side_effect = false} : (tensor<4xf32>) -> tensor<4xf32>",
            "stablehlo.custom_call",
            "mine",
        ),
        (
            '    %y = "stablehlo.collective_permute"(%x) {source_target_pairs = dense<[[0, 1]]> : tensor<1x2xi64>} : '
            "(tensor<4xf32>) -> tensor<4xf32>",
            "stablehlo.collective_permute",
            "other devices",
        ),
        (LOOP.format(op="multiply"), "stablehlo.while", "without a bound"),
    ],
)
def test_what_is_not_judged_is_named_with_its_line(body: str, op: str, reason: str, tmp_path: Path) -> None:
    text = one_function(body, X, "tensor<4xf32>")
    (refusal,) = load(written(tmp_path, text)).refusals
    assert refusal.op == op
    assert refusal.line == next(i for i, line in enumerate(text.splitlines(), 1) if op in line)
    assert reason in refusal.reason


def test_a_loop_that_counts_is_judged(tmp_path: Path) -> None:
    module = load(written(tmp_path, one_function(LOOP.format(op="add"), X, "tensor<4xf32>")))
    assert module.refusals == ()


def test_shapes_that_are_not_known_are_refused(tmp_path: Path) -> None:
    text = one_function("    %y = stablehlo.abs %x : tensor<?xf32>", "%x: tensor<?xf32>", "tensor<?xf32>")
    with pytest.raises(ModuleError, match="Expected tensors of known shapes"):
        load(written(tmp_path, text))


def test_a_result_that_no_old_value_reaches_is_nobodys_new_value(tmp_path: Path) -> None:
    module = load(written(tmp_path, nested_calls()))
    assert [result.argument for result in module.results] == [None, None]
    assert module.arguments[0].type == module.results[0].type


def test_the_names_of_a_python_function_where_jax_leaves_them(tmp_path: Path) -> None:
    def loss(weights: jax.Array, x: jax.Array) -> jax.Array:
        return (x @ weights).sum()

    text = jax.jit(loss).lower(jnp.ones((3, 2)), jnp.ones((4, 3))).as_text(debug_info=True)
    module = load(written(tmp_path, text))
    assert [(argument.name, argument.role) for argument in module.arguments] == [
        ("weights", "parameter"),
        ("x", "images"),
    ]


SEVERAL = """
func.func public @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = stablehlo.custom_call @elsewhere(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
func.func public @twice(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @once(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %z = func.call @once(%y) : (tensor<2xf32>) -> tensor<2xf32>
  return %z : tensor<2xf32>
}
func.func private @once(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = stablehlo.add %x, %x : tensor<2xf32>
  return %y : tensor<2xf32>
}
"""


@pytest.mark.parametrize(("function", "times"), [("twice", 4.0), ("once", 2.0)])
def test_any_function_runs_beside_another_main(function: str, times: float, tmp_path: Path) -> None:
    path = written(tmp_path, SEVERAL)
    module = load(path, function)
    assert module.functions == ("main", "twice", "once")
    assert "elsewhere" not in module.text
    path.write_text(module.text)
    device = XlaDevice([path])
    (result,) = device.call(function, [device.put(np.ones(2, np.float32))])
    np.testing.assert_array_equal(device.get(result), [times, times])


def test_a_constant_in_a_resource_section_is_refused_with_its_line(tmp_path: Path) -> None:
    body = (
        "    %c = stablehlo.constant dense_resource<w> : tensor<2xf32>\n    %y = stablehlo.add %x, %c : tensor<2xf32>"
    )
    text = one_function(body, "%x: tensor<2xf32>", "tensor<2xf32>")
    text += '{-# dialect_resources: { builtin: { w: "0x040000000000803F00000040" } } #-}\n'
    (refusal,) = load(written(tmp_path, text)).refusals
    assert (refusal.op, refusal.line) == ("stablehlo.constant", 3)
    assert "Write it as dense<" in refusal.reason
