"""The batch followed through modules: the reduced one is what its generator writes for fewer samples."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.emit.phase3 import emit_phase3
from harness.errors import ModuleError
from harness.module.batch.comparison import compare_first_samples, reduced_arguments
from harness.module.batch.dimension import BatchDimension, first_samples
from harness.module.batch.reduction import ReducedModule, reduce_batch
from harness.module.batch.reshaping import follow
from harness.module.batch.rules import UnfollowedError
from harness.module.batch.sources import without_unused
from harness.module.clone import Inliner
from harness.module.inputs import draw
from harness.module.load import load
from harness.module.mlir import function_named, operations, parsed
from harness.nn.rules import registered_rules
from harness.run.cell import Cell
from harness.run.inprocess.reference_interpreter import interpret
from harness.run.programs import emit_files
from harness.spec.models import load_model
from harness.spec.netspec import Conventions
from harness.spec.run_config import RunConfig
from tests.support.batch_programs import STEPS, lowered_step
from tests.support.stablehlo_modules import SGD_STEP, lowered, one_function

pytestmark = pytest.mark.usefixtures("workers_here")

INTERPRETED = 1e-6  # f32 sums in another order


def reduced_text(text: str, to: int, folder: Path, *said: str, function: str | None = None) -> ReducedModule:
    path = folder / "module.mlir"
    path.write_text(text)
    return reduce_batch(load(path, function), to, said)


def written(text: str, function: str) -> list[tuple[Any, ...]]:
    """Every operation with its types and attributes, but constants, which one line of two programs may name alike."""
    with parsed(text) as module:
        made = Inliner().made(module, function)
        block = function_named(made, "main").regions[0].blocks[0]
        without_unused(block)
        rows = []
        for op in operations(block):
            names = [name if isinstance(name, str) else name.name for name in op.attributes]
            attributes = {name: str(op.attributes[name]) for name in names}
            types = [str(value.type) for value in (*op.operands, *op.results)]
            if op.name != "stablehlo.constant":
                rows.append((op.name, types, attributes))
        return rows


def emitted_step(name: str, batch: int | None) -> str:
    """The phase-3 step of a network at a batch size, its own where none is given."""
    model = load_model(name, batch=batch)
    texts, _ = emit_phase3(model.graph, model.config, "f32", Conventions(), rules=registered_rules())
    return texts["train_step"]


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "cifar_cnn", "mobilenet_v2", "vit_tiny"])
def test_an_emitted_step_is_what_is_emitted_for_fewer_samples(name: str, tmp_path: Path) -> None:
    whole, fewer = (emitted_step(name, batch) for batch in (None, 8))
    reduced = reduced_text(whole, 8, tmp_path, function="train_step")
    assert written(reduced.text, "train_step") == written(fewer, "train_step")
    assert [one.name for one in reduced.held] == ["x", "labels"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_jax_is_what_jax_lowers_for_fewer_samples(name: str, tmp_path: Path) -> None:
    reduced = reduced_text(lowered_step(name, 16), 4, tmp_path)
    assert written(reduced.text, "main") == written(lowered_step(name, 4), "main")
    compared = compare_first_samples(reduced, draw(reduced.module, 0), 120.0)
    assert compared.values
    assert not compared.differs


def test_an_exported_script_is_reduced(tmp_path: Path) -> None:
    cells = [Cell(load_model("mnist_mlp", batch=batch), "phase2-iree", "cpu", RunConfig()) for batch in (16, 4)]
    whole, fewer = (next(p for p in emit_files(cell, tmp_path) if "train_step" in p.name) for cell in cells)
    reduced = reduce_batch(load(whole, "train_step"), 4)
    assert written(reduced.text, "train_step") == written(load(fewer).text, "train_step")


def test_updates_by_parts_of_the_batch_add_up_to_that_of_the_whole(tmp_path: Path) -> None:
    reduced = reduced_text(SGD_STEP, 4, tmp_path)
    arguments = draw(reduced.module, 0)
    last = [np.flip(array, 0) if number in reduced.arguments else array for number, array in enumerate(arguments)]
    whole = interpret(SGD_STEP, "train_step", arguments)
    parts = [interpret(reduced.text, "train_step", reduced_arguments(reduced, fed)) for fed in (arguments, last)]
    for number, result in enumerate(reduced.module.results):
        before = 0.0 if result.argument is None else arguments[result.argument]
        added = sum(part[number] - before for part in parts)
        np.testing.assert_allclose(added, whole[number] - before, rtol=0, atol=INTERPRETED)


def test_samples_that_weigh_nothing_are_those_that_are_left_out(tmp_path: Path) -> None:
    def step(w: jax.Array, x: jax.Array, onehot: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss, grad = jax.value_and_grad(lambda w: -(jax.nn.log_softmax(jnp.tanh(x @ w)) * onehot).sum())(w)
        return w - 0.1 * grad, loss

    shapes = [jnp.ones(shape, jnp.float32) for shape in ((8, 5), (16, 8), (16, 5))]
    reduced = reduced_text(lowered(step, *shapes), 6, tmp_path, "arg1=0")
    w, x, onehot = draw(reduced.module, 3)
    onehot[6:] = 0.0
    few = interpret(reduced.text, "main", [w, x[:6], onehot[:6]])
    for one, other in zip(few, interpret(reduced.module.text, "main", [w, x, onehot]), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=INTERPRETED)


def test_constants_of_samples_keep_the_first_ones(tmp_path: Path) -> None:
    text = one_function(
        """
    %c = stablehlo.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]> : tensor<4x2xf32>
    %b = stablehlo.constant dense<[[true, false], [false, true], [true, true], [false, false]]> : tensor<4x2xi1>
    %n = stablehlo.iota dim = 0 : tensor<4x2xf32>
    %s = stablehlo.select %b, %c, %n : tensor<4x2xi1>, tensor<4x2xf32>
    %y = stablehlo.add %x, %s : tensor<4x2xf32>""",
        "%x: tensor<4x2xf32>",
        "tensor<4x2xf32>",
    )
    reduced = reduced_text(text, 3, tmp_path, "x=0")
    (y,) = interpret(reduced.text, "main", [np.zeros((3, 2), np.float32)])
    np.testing.assert_array_equal(y, [[1.0, 0.0], [1.0, 4.0], [5.0, 6.0]])


def test_one_constant_of_samples_and_of_channels_becomes_two(tmp_path: Path) -> None:
    text = one_function(
        """
    %zeros = stablehlo.constant dense<0.0> : tensor<4x4xf32>
    %v = stablehlo.maximum %w, %zeros : tensor<4x4xf32>
    %h = stablehlo.dot %x, %v : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %y = stablehlo.maximum %h, %zeros : tensor<4x4xf32>""",
        "%x: tensor<4x4xf32>, %w: tensor<4x4xf32>",
        "tensor<4x4xf32>",
    )
    reduced = reduced_text(text, 2, tmp_path, "x=0")
    assert "%w: tensor<4x4xf32>" in reduced.text
    assert "dense<0.000000e+00> : tensor<2x4xf32>" in reduced.text
    assert "dense<0.000000e+00> : tensor<4x4xf32>" in reduced.text
    assert not compare_first_samples(reduced, draw(reduced.module, 0), 120.0).differs


def test_names_of_arguments_and_results_stay(tmp_path: Path) -> None:
    reduced = reduced_text(SGD_STEP, 3, tmp_path)
    (tmp_path / "reduced.mlir").write_text(reduced.text)
    again = load(tmp_path / "reduced.mlir")
    assert [one.name for one in again.arguments] == ["x", "W0", "b0", "W1", "onehot", "lr"]
    assert [one.name for one in again.results] == [one.name for one in reduced.module.results]
    assert again.function == "train_step"


def test_names_that_jax_leaves_as_locations_stay(tmp_path: Path) -> None:
    """No value of a text can be called so; what was drawn for the module is kept under these names."""

    def step(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return x @ p["wé"] + p['of "b"']

    shapes = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in (("wé", (6, 3)), ('of "b"', (3,)))}
    text = jax.jit(step).lower(shapes, jax.ShapeDtypeStruct((4, 6), np.float32)).as_text(debug_info=True)
    reduced = reduced_text(text, 2, tmp_path)
    (tmp_path / "reduced.mlir").write_text(reduced.text)
    names = [one.name for one in load(tmp_path / "reduced.mlir").arguments]
    assert names == [one.name for one in reduced.module.arguments] == ["p['of \"b\"']", "p['wé']", "x"]


REFUSED = {
    "reverse": ("stablehlo.reverse %x, dims = [0] : tensor<4x6xf32>", "turns the order of the samples round"),
    "slice": (
        "stablehlo.slice %x [0:2, 0:6] : (tensor<4x6xf32>) -> tensor<2x6xf32>",
        "takes a part of the batch, [0:2:1] of 4",
    ),
    "concatenate": (
        "stablehlo.concatenate %x, %x, dim = 0 : (tensor<4x6xf32>, tensor<4x6xf32>) -> tensor<8x6xf32>",
        "puts parts together along the batch",
    ),
    "reshape": ("stablehlo.reshape %x : (tensor<4x6xf32>) -> tensor<2x12xf32>", "splits the batch of 4 in 4x6"),
    "pad": (
        "stablehlo.pad %x, %c, low = [1, 0], high = [0, 0], interior = [0, 0] : "
        "(tensor<4x6xf32>, tensor<f32>) -> tensor<5x6xf32>",
        "pads along the batch",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_mixes_samples_is_refused_with_its_line(kind: str, tmp_path: Path) -> None:
    line, told = REFUSED[kind]
    result = line.rpartition("-> ")[2] if "->" in line else line.rpartition(" : ")[2]
    body = f"    %c = stablehlo.constant dense<0.0> : tensor<f32>\n    %y = {line}"
    with pytest.raises(ModuleError, match=rf"module\.mlir: line 4, stablehlo\.{kind}: it {re.escape(told)}"):
        reduced_text(one_function(body, "%x: tensor<4x6xf32>", result), 2, tmp_path)


MIXING = {
    "picked": (lambda x: x[jnp.flip(jnp.arange(8))], "turns the order|not each sample's own number"),
    "summed so far": (lambda x: jnp.cumsum(x, 0), "its window takes several samples together"),
    "sorted": (lambda x: jnp.sort(x, 0), "it sorts the samples"),
    "in parts": (lambda x: jax.lax.map(jnp.tanh, x.reshape(2, 4, 6)), "it splits the batch of 8 in 8x6"),
    "one after another": (lambda x: jax.lax.map(jnp.tanh, x), "it takes a part of the batch"),
    "along a window": (
        lambda x: jax.lax.conv_general_dilated(x[None, None], jnp.ones((1, 1, 3, 3)), (1, 1), "SAME"),
        "the batch is a spatial dimension of it",
    ),
}


@pytest.mark.parametrize("name", MIXING)
def test_what_jax_does_to_several_samples_is_refused(name: str, tmp_path: Path) -> None:
    program, told = MIXING[name]
    with pytest.raises(ModuleError, match=rf"module\.mlir: line \d+, \w+\.\w+: .*({told})"):
        reduced_text(lowered(program, jnp.ones((8, 6), jnp.float32)), 2, tmp_path, "arg0=0")


KEEPING = {
    "sorted": lambda x: jnp.sort(x, 1) * jnp.arange(8.0)[:, None],
    "padded": lambda x: jnp.pad(x, ((0, 0), (1, 2))),
    "products of samples": lambda x: x @ x.T,
    "constant": lambda x: x * np.arange(48, dtype=np.float32).reshape(8, 6),
    "embedded": lambda x: jnp.ones((9, 3))[x.astype(jnp.int32)].sum(1),
    "added up": lambda x: jnp.zeros((8, 6)).at[jnp.arange(8), (x[:, 0] * 3).astype(jnp.int32)].add(x[:, 1]),
    "drawn": lambda x: x * jax.random.uniform(jax.random.key(0), (6, 8)).T,
    "branches": lambda x: jax.lax.cond(True, jnp.sin, jnp.cos, x),
    "any": lambda x: jnp.where(jnp.any(x > 0.5, axis=1, keepdims=True), x, 0.0),
}


@pytest.mark.parametrize("name", KEEPING)
def test_what_keeps_samples_apart_gives_the_first_ones(name: str, tmp_path: Path) -> None:
    reduced = reduced_text(lowered(KEEPING[name], jnp.ones((8, 6), jnp.float32)), 3, tmp_path, "arg0=0")
    (x,) = draw(reduced.module, 1)
    (whole,) = interpret(reduced.module.text, "main", [x])
    (part,) = interpret(reduced.text, "main", [x[:3]])
    np.testing.assert_allclose(part, first_samples(whole, reduced.results[0], 3), rtol=INTERPRETED)
    assert part.shape[0] == 3


def test_the_largest_of_each_sample_stay(tmp_path: Path) -> None:
    program = lowered(lambda x: jax.lax.top_k(x, 3)[0], jnp.ones((8, 6), jnp.float32))
    assert "tensor<2x3xf32>" in reduced_text(program, 2, tmp_path, "arg0=0").text


def test_a_batch_that_reaches_a_parameter_is_refused(tmp_path: Path) -> None:
    body = "    %y = stablehlo.add %x, %w : tensor<4x4xf32>"
    text = one_function(body, "%x: tensor<4x4xf32>, %w: tensor<4x4xf32>", "tensor<4x4xf32>")
    with pytest.raises(ModuleError, match=r"line 3, stablehlo\.add: the batch would be dimension 0 of 'w' too"):
        reduced_text(text, 2, tmp_path)
    assert len(reduced_text(text, 2, tmp_path, "x=0", "w=0").held) == 3


def test_arguments_without_names_are_not_guessed_at(tmp_path: Path) -> None:
    text = lowered(lambda w, x: x @ w, jnp.ones((6, 3), jnp.float32), jnp.ones((8, 6), jnp.float32))
    with pytest.raises(ModuleError, match=r"arg0 6x3xf32, arg1 8x6xf32\. Say it with --batch-of"):
        reduced_text(text, 2, tmp_path)
    assert reduced_text(text, 2, tmp_path, "arg1=0").batch == 8


@pytest.mark.parametrize("said", ["nobody=0", "x=2", "x"])
def test_a_batch_of_nothing_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match=f"--batch-of {said}"):
        reduced_text(SGD_STEP, 2, tmp_path, said)


@pytest.mark.parametrize("to", [8, 9])
def test_a_batch_that_does_not_shrink_is_refused(to: int, tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="its batch is 8, expected --to from 1 to 7"):
        reduced_text(SGD_STEP, to, tmp_path)


def test_a_batch_of_one_is_refused(tmp_path: Path) -> None:
    text = one_function("    %y = stablehlo.tanh %x : tensor<1x4xf32>", "%x: tensor<1x4xf32>", "tensor<1x4xf32>")
    with pytest.raises(ModuleError, match="its batch is 1, and there is nothing to leave out"):
        reduced_text(text, 1, tmp_path, "x=0")


def test_the_batch_is_found_again_by_its_elements() -> None:
    batch = BatchDimension()
    assert follow((8, 6), 0, batch, (48,)) == (0, BatchDimension(1, 6))
    assert follow((48,), 0, BatchDimension(1, 6), (1, 8, 2, 3)) == (1, batch)
    assert follow((3, 8, 5), 1, batch, (24, 5)) == (0, BatchDimension(3, 1))
    assert follow((3, 8, 5), 1, batch, (3, 40, 1)) == (1, BatchDimension(1, 5))
    with pytest.raises(UnfollowedError, match="splits the batch of 8"):
        follow((8, 6), 0, batch, (4, 12))


def test_first_samples_of_a_merged_dimension_are_those_of_each_part() -> None:
    numbers = np.arange(24).reshape(3, 8)
    merged = first_samples(numbers.reshape(24), {0: BatchDimension(3, 1)}, 2)
    np.testing.assert_array_equal(merged, numbers[:, :2].reshape(6))
