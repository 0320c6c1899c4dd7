"""The networks of `specs/`: their published sizes, and running them at others."""

from dataclasses import replace

import pytest

from harness.errors import SpecError
from harness.run.cell import Cell
from harness.run.programs import emit_files
from harness.spec.models import load_model, model_names
from harness.spec.shapes import infer_shapes

# Trainable scalars and tensors of each.
NETWORKS = {
    "cifar_cnn": (2_431_018, 14),
    "efficientnet_b0": (7_155_658, 213),
    "efficientnet_v2s": (38_177_682, 452),
    "mnist_cnn": (1_676_458, 16),
    "mnist_mlp": (669_706, 6),
    "mobilenet_v1": (3_217_226, 83),
    "mobilenet_v2": (2_236_682, 158),
    "mobilenet_v3": (2_990_480, 172),
    "mobilenet_v4": (4_124_426, 158),
    "resnet34": (21_289_802, 110),
    "resnet50": (23_528_522, 161),
    "squeezenet": (730_690, 80),
    "vgg16_bn": (14_724_042, 41),
    "vit_tiny": (5_526_346, 200),
}


def test_every_model_is_in_the_table_of_these_tests() -> None:
    assert set(model_names()) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_has_the_published_parameters_and_tensors(name: str) -> None:
    graph = load_model(name).graph
    assert (graph.total_params, len(graph.params)) == NETWORKS[name]


@pytest.mark.parametrize("name", [n for n in NETWORKS if load_model(n).spec.dataset == "imagenette"])
def test_image_networks_take_another_size_and_a_small_batch(name: str) -> None:
    own, small = load_model(name), load_model(name, batch=2, image_size=64)
    assert small.spec.input_shape == (3, 64, 64)
    assert small.config.batch_size == 2
    assert small.spec.netspec_hash() != own.spec.netspec_hash()
    # A positional embedding has a row a patch; everything else has the same parameters at every size.
    varies = {p.name for p in own.graph.params if p not in small.graph.params}
    assert varies <= {"patch1.pos"}
    assert small.resized == ".b2.i64"


def test_the_networks_own_size_is_no_size_of_its_own() -> None:
    own = load_model("resnet34")
    assert load_model("resnet34", batch=192, image_size=224) == own
    assert own.resized == own.size_options == ""
    assert infer_shapes(own.spec) == own.graph


def test_a_network_of_one_size_says_so() -> None:
    with pytest.raises(SpecError, match=r"specs/mnist_mlp.py: the network takes inputs of 784 only"):
        load_model("mnist_mlp", image_size=32)
    assert load_model("cifar_cnn", image_size=32) == load_model("cifar_cnn")


def test_a_size_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(SpecError, match=r"ViT-Tiny, layer 1 'patch1'"):
        load_model("vit_tiny", image_size=8)


def test_files_of_other_sizes_have_other_names_and_say_how_to_make_them(tmp_path) -> None:
    cell = Cell(load_model("mnist_mlp", batch=4), "phase2", "cpu")
    assert cell.name == "mnist_mlp.phase2-noshuf-cpu.b4"
    (script,) = emit_files(cell, tmp_path)
    assert script.name == "mnist_mlp.phase2.b4.py"
    assert "emit mnist_mlp --pipeline phase2 --dtype f32 --profile shared --seed 42 --batch 4\n" in script.read_text()
    assert {path.name for path in emit_files(replace(cell, pipeline="phase3"), tmp_path)} == {
        "mnist_mlp.phase3.b4.train_step.mlir",
        "mnist_mlp.phase3.b4.logits.mlir",
        "mnist_mlp.phase3.b4.plan.json",
    }
