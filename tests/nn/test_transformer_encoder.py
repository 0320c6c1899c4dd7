"""The facts of a vision transformer: its tensors, their order, what decays, and errors that say what to change."""

import pytest

from harness.errors import SpecError
from harness.nn.layers.dense import Dense
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.spec.netspec import Layer, NetSpec, Shape
from harness.spec.shapes import Graph, infer_shapes


def graph(shape: Shape, *layers: Layer) -> Graph:
    loss = SoftmaxCrossEntropy()
    return infer_shapes(NetSpec(name="vit", dataset="mnist", input_shape=shape, classes=10, layers=layers, loss=loss))


SMALL = (PatchEmbed(1, 16, 7, 16), TransformerEncoder(16, 2, 32), Dense(16, 10))


def test_parameters_are_those_of_the_published_networks() -> None:
    tiny = graph((3, 224, 224), PatchEmbed(3, 192, 16, 196), TransformerEncoder(192, 3, 768, 12), Dense(192, 10))
    assert (tiny.total_params, len(tiny.params)) == (5_526_346, 200)
    assert graph((1, 28, 28), *SMALL).total_params == 3_514


def test_tensors_come_in_the_order_of_the_init_file() -> None:
    dense = [f"encoder1.b1.{name}.{p}" for name in ("q", "k", "v", "o") for p in "wb"]
    mlp = [f"encoder1.b1.{name}.{p}" for name in ("mlp1", "mlp2") for p in "wb"]
    norms = [[f"encoder1.{name}.gamma", f"encoder1.{name}.beta"] for name in ("b1.ln1", "b1.ln2", "ln")]
    expected = ["patch1.w", "patch1.b", "patch1.cls", "patch1.pos"]
    expected += norms[0] + dense + norms[1] + mlp + norms[2] + ["dense1.w", "dense1.b"]
    params = graph((1, 28, 28), *SMALL).params
    assert [p.name for p in params] == expected
    assert {p.name for p in params if p.decays} == {name for name in expected if name.endswith(".w")}


def test_the_positional_embedding_is_drawn_and_the_class_token_starts_at_zero() -> None:
    params = {p.name: p for p in graph((1, 28, 28), *SMALL).params}
    assert (params["patch1.pos"].shape, params["patch1.pos"].init, params["patch1.pos"].fan_in) == (
        (17, 16),
        "he_normal",
        17,
    )
    assert (params["patch1.cls"].shape, params["patch1.cls"].init) == ((16,), "zeros")


def test_what_is_left_beside_whole_patches_is_lost() -> None:
    assert graph((1, 29, 34), *SMALL).total_params == 3_514


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        (
            (1, 35, 28),
            SMALL,
            "vit, layer 1 'patch1': the image has 20 patches, pos was declared for 16. Set patches=20.",
        ),
        ((1, 6, 28), SMALL, "a window of 7 does not fit into 6 pixels"),
        ((1, 28, 28), (PatchEmbed(1, 16, 0, 16), *SMALL[1:]), "patch=0; it must be at least 1"),
        (
            (1, 28, 28),
            (SMALL[0], TransformerEncoder(16, 3, 32), SMALL[2]),
            "layer 2 'encoder1': 16 features cannot be shared by 3 heads",
        ),
        (
            (1, 28, 28),
            (SMALL[0], TransformerEncoder(8, 2, 32), SMALL[2]),
            "layer 2 'encoder1': the input has shape 17x16, gamma was declared for vectors or sequences of 8",
        ),
        ((1, 28, 28), (SMALL[0], TransformerEncoder(16, 2, 32, 0), SMALL[2]), "blocks=0; it must be at least 1"),
        ((1, 28, 28), (SMALL[1], SMALL[2]), "the input has shape 1x28x28, gamma was declared for vectors or sequences"),
    ],
)
def test_errors_say_what_to_change(shape: Shape, layers: tuple[Layer, ...], message: str) -> None:
    with pytest.raises(SpecError) as told:
        graph(shape, *layers)
    assert message in str(told.value)
