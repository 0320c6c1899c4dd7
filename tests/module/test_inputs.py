"""What a module is fed."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ModuleError
from harness.module.inputs import digest, draw, read
from harness.module.load import StableModule, load
from tests.support.paths import ROOT
from tests.support.stablehlo_modules import SGD_STEP


@pytest.fixture
def sgd(tmp_path: Path) -> StableModule:
    path = tmp_path / "step.mlir"
    path.write_text(SGD_STEP)
    return load(path)


def test_drawn_arguments_are_those_of_their_seed(sgd: StableModule) -> None:
    assert digest(draw(sgd, 0)) == digest(draw(sgd, 0))
    assert digest(draw(sgd, 0)) != digest(draw(sgd, 1))


def test_drawn_arguments_hide_nothing(sgd: StableModule) -> None:
    x, w0, b0, w1, onehot, lr = draw(sgd, 0)
    assert all(np.unique(array).size == array.size for array in (x, w0, b0, w1))
    assert (b0 != 0).all()
    np.testing.assert_array_equal(onehot.sum(axis=1), np.ones(8))
    assert set(np.unique(onehot)) == {0.0, 1.0}
    assert lr == np.float32(0.1)
    assert {array.dtype.name for array in draw(sgd, 0)} == {"float32"}


def test_drawn_labels_are_classes_and_squares_are_positive() -> None:
    module = load(ROOT / "tests" / "golden" / "mnist_mlp.phase3.train_step.mlir", "train_step")
    drawn = dict(zip((argument.name for argument in module.arguments), draw(module, 0), strict=True))
    assert drawn["labels"].dtype == np.int32
    assert set(drawn["labels"]) == set(range(10))
    assert (drawn["dense1_w_v"] > 0).all()


def save(path: Path, module: StableModule, **other: object) -> Path:
    arrays = {argument.name: array for argument, array in zip(module.arguments, draw(module, 3), strict=True)}
    kept = {name: value for name, value in (arrays | other).items() if value is not None}
    np.savez(path, **kept)  # type: ignore[arg-type]
    return path


def test_arguments_come_back_from_a_file(sgd: StableModule, tmp_path: Path) -> None:
    assert digest(read(save(tmp_path / "in.npz", sgd), sgd)) == digest(draw(sgd, 3))


def test_arguments_of_a_file_may_be_numbered(sgd: StableModule, tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, **{str(i): array for i, array in enumerate(draw(sgd, 3))})  # type: ignore[arg-type]
    assert digest(read(path, sgd)) == digest(draw(sgd, 3))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"W0": None}, "'W0' is missing; expected a 12x6xf32"),
        ({"w0": np.zeros(3)}, "'w0' is no argument of @train_step; expected x, W0, b0"),
        ({"W0": np.zeros((12, 6))}, "'W0' is 12x6xfloat64, expected 12x6xfloat32"),
        ({"W0": np.zeros((6, 12), np.float32)}, "'W0' is 6x12xfloat32, expected 12x6xfloat32"),
    ],
)
def test_what_does_not_fit_is_named(other: dict[str, object], told: str, sgd: StableModule, tmp_path: Path) -> None:
    with pytest.raises(ModuleError) as raised:
        read(save(tmp_path / "in.npz", sgd, **other), sgd)
    assert told in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing of the kind"])
def test_a_file_that_holds_no_arrays_is_told_in_one_line(content: bytes, sgd: StableModule, tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    path.write_bytes(content)
    with pytest.raises(ModuleError, match=r"in\.npz: not an \.npz of arrays"):
        read(path, sgd)


def test_an_argument_without_elements_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "empty.mlir"
    kind = "tensor<0x4xf32>"
    path.write_text(f"func.func @main(%e: {kind}) -> {kind} {{\n  return %e : {kind}\n}}\n")
    (drawn,) = draw(load(path), 0)
    assert drawn.shape == (0, 4)


def test_words_are_drawn_as_rows_of_their_table(tmp_path: Path) -> None:
    path = tmp_path / "embedding.mlir"
    path.write_text(
        """func.func @main(%x: tensor<64xi32>, %w: tensor<50x4xf32>) -> tensor<64x4xf32> {
  %y = "stablehlo.gather"(%w, %x) {dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0],
    start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 4>}
    : (tensor<50x4xf32>, tensor<64xi32>) -> tensor<64x4xf32>
  return %y : tensor<64x4xf32>
}
"""
    )
    drawn, _ = draw(load(path), 0)
    assert len(set(drawn.tolist())) > 20


@pytest.mark.parametrize(("name", "kind"), [("onehot", "f32"), ("onehot", "4xf32"), ("onehot", "4x0xf32")])
def test_what_cannot_be_rows_of_classes_is_drawn(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "module.mlir"
    arguments = f"%x: tensor<4xf32>, %{name}: tensor<{kind}>"
    path.write_text(f"func.func @main({arguments}) -> tensor<4xf32> {{\n  return %x : tensor<4xf32>\n}}\n")
    module = load(path)
    assert [array.shape for array in draw(module, 0)] == [argument.type.shape for argument in module.arguments]


def test_arrays_in_another_order_of_bytes_are_the_same_numbers(sgd: StableModule, tmp_path: Path) -> None:
    drawn = {argument.name: array for argument, array in zip(sgd.arguments, draw(sgd, 0), strict=True)}
    path = save(tmp_path / "in.npz", sgd, **{name: array.astype(">f4") for name, array in drawn.items()})
    assert digest(read(path, sgd)) == digest(draw(sgd, 0))
