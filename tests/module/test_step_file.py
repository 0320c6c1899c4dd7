"""A module, its step file and a network: what is guessed, what is stated, and the line for whatever does not fit."""

import re
import tomllib
from pathlib import Path

import pytest

from harness.errors import ModuleError
from harness.module.load import load
from harness.module.training.binding import TrainingStep, load_step
from harness.module.training.guess import step_file_text, write_step_file
from harness.module.training.layout import laid_out, possible_axes, to_module, to_network
from harness.spec.models import load_model
from tests.support.training_steps import CONV, MLP, MLP_STEP, SMALL, conv_step, small_step, write_step

pytestmark = pytest.mark.usefixtures("no_network_file_yet")

MODULE = 'module = "step.mlir"\n'
ARGUMENTS, PARAMETERS = f"{MODULE}[arguments]\n", f"{MODULE}[parameters]\n"


def bound(folder: Path, network: str, module: str, step_file: str) -> TrainingStep:
    net, step = write_step(folder, network, module, step_file)
    return load_step(step, load_model(str(net)))


def test_a_hand_written_step_is_guessed_whole(tmp_path: Path) -> None:
    step = bound(tmp_path, MLP, MLP_STEP, MODULE)
    assert (step.layout, step.one_hot, step.loss, step.missing) == ("flat", True, 6, ("velocity",))
    assert [tensor.name for tensor in step.held] == [f"dense{k}.{kind}" for k in (1, 2, 3) for kind in "wb"]
    assert {step.module.arguments[number].name: one.text for number, one in step.formulas.items()} == {"lr": "rate"}


def test_layouts_slots_and_statistics_are_guessed_by_shape_and_name(tmp_path: Path) -> None:
    step = bound(tmp_path, CONV, conv_step(), MODULE)
    assert (step.layout, step.one_hot, step.missing) == ("NHWC", False, ())
    held = {tensor.name: step.module.arguments[tensor.argument].name for tensor in step.held}
    assert held["conv1.w.m"] == "kernel_m"
    assert held["dense1.w.v"] == "matrix_v"
    assert held["conv1.var"] == "running_var"
    axes = {tensor.name: tensor.axes for tensor in step.held}
    assert axes["conv1.w"] == axes["conv1.w.v"] == (3, 2, 0, 1)
    assert axes["dense1.w"] == (1, 0)
    formulas = {step.module.arguments[number].name: one.text for number, one in step.formulas.items()}
    assert formulas == {"rate": "rate", "t": "step", "bc1": "1 - 0.9**step", "bc2": "1 - 0.999**step"}


def test_the_guessed_file_says_the_same_as_no_file(tmp_path: Path) -> None:
    plain = bound(tmp_path, CONV, conv_step(), MODULE)
    (tmp_path / "steps").mkdir()
    write_step_file(tmp_path / "steps" / "own.toml", plain.module)
    written = load_step(tmp_path / "steps" / "own.toml", plain.model)
    assert written.file.module == "../step.mlir"
    assert (written.held, written.layout, written.loss) == (plain.held, plain.layout, plain.loss)


@pytest.mark.parametrize("named", [r"m_\1", r"m\1", r"\1.m"])
def test_moments_are_told_by_their_names_before_and_behind(tmp_path: Path, named: str) -> None:
    text = re.sub(r"\b(\w+)_m\b", named, conv_step())
    text = re.sub(r"\b(\w+)_v\b", named.replace("m", "v"), text)
    step = bound(tmp_path, CONV, text, MODULE)
    held = {tensor.name: step.module.arguments[tensor.argument].name for tensor in step.held}
    assert held["conv1.w.m"] == re.sub(r"\\1", "kernel", named)
    assert held["dense1.b.v"] == re.sub(r"\\1", "bias", named.replace("m", "v"))


def test_names_that_toml_has_to_quote_come_back(tmp_path: Path) -> None:
    text = small_step().replace("%W0", "%layer.0$w")
    (tmp_path / "step.mlir").write_text(text)
    guessed = tomllib.loads(step_file_text(load(tmp_path / "step.mlir"), 'a "b"\\c.mlir'))
    assert guessed["module"] == 'a "b"\\c.mlir'
    assert guessed["arguments"]["layer.0$w"] == "parameter"
    assert "new layer.0$w" in guessed["results"]


def test_a_table_of_parameters_comes_before_their_order(tmp_path: Path) -> None:
    text = MLP_STEP.replace("512x10", "512x512").replace("32x10", "32x512").replace("<10x", "<512x")
    square = MLP.replace("classes=10", "classes=512").replace("Dense(512, 10)", "Dense(512, 512)")
    table = '[parameters]\nW1 = "dense3.w"\nW2 = { name = "dense2.w", transpose = [1, 0] }\n'
    step = bound(tmp_path, square, text, f"{MODULE}{table}")
    held = {tensor.name: (step.module.arguments[tensor.argument].name, tensor.axes) for tensor in step.held}
    assert held["dense3.w"] == ("W1", (0, 1))
    assert held["dense2.w"] == ("W2", (1, 0))
    assert held["dense1.w"] == ("W0", (0, 1))


def test_wildcards_fit_in_the_order_of_the_file_behind_whole_names(tmp_path: Path) -> None:
    roles = '[arguments]\n"W*" = "parameter"\n"?0" = "parameter"\n"b*" = "parameter"\nlr = "2 * rate"\n'
    step = bound(tmp_path, SMALL, small_step(), f'{MODULE}{roles}"*r" = "rate"\n')
    assert [formula.text for formula in step.formulas.values()] == ["2 * rate"]


WRONG = {
    "": "Object missing required field 'module'.",
    "module = 1": "Expected 'str', got 'int' - at 'module'.",
    "module = ": "not a TOML file: ",
    'modul = "step.mlir"': "Object contains unknown field 'modul'. Its keys are module, function, ",
    f'{MODULE}funktion = "f"': "Object contains unknown field 'funktion'. Its keys are module, function, ",
    'module = "none.mlir"': "module is 'none.mlir', which is no file beside it. Give its path from there.",
    f'{MODULE}function = "f"': "unknown function 'f'; known are train_step.",
    f'{MODULE}images = "CHW"': "Invalid enum value 'CHW' - at 'images'.",
    f'{MODULE}images = "NHWC"': "are 4x784xf32, images = 'NHWC'; Small is fed 4x784xf32 (flat)",
    f'{MODULE}results = ["loss"]': "results has 1 entries, @train_step has 7 results.",
    f'{ARGUMENTS}y = "images"': "arguments has 'y', which fits none of x, W0, b0, ",
    f'{ARGUMENTS}lr = "images"': "x, lr has the role images, expected exactly one argument.",
    f'{ARGUMENTS}lr = "rates"': "argument lr: 'rates' has 'rates' in it; a formula is made of ",
    f'{ARGUMENTS}lr = ""': "argument lr, a f32, has no role. Say under [arguments] what it is",
    f'{ARGUMENTS}onehot = "labels"': "labels, onehot, are 4x10xf32, expected 4xi32.",
    f'{ARGUMENTS}b0 = "0.5"': "a result is the new b0, whose role is 0.5. Correct either.",
    f'{ARGUMENTS}b0 = "slot m"': "5 arguments have the role parameter, Small has 6: dense1.w, ",
    f'{PARAMETERS}W9 = "dense1.w"': "parameters has 'W9', which is none of x, W0, ",
    f'{PARAMETERS}W0 = "dense1.x"': "parameters has W0: unknown parameter 'dense1.x'; did you ",
    f'{PARAMETERS}W0 = "dense2.w"': "W0 is 784x8, dense2.w of Small is 8x8. Say under ",
    f'{PARAMETERS}W0 = "dense2.w"\nW1 = "dense2.w"': "parameters has 'dense2.w' twice: W0 and W1.",
    PARAMETERS + 'W0 = { name = "dense1.w", transpose = [1, 0] }': "transposed by [1, 0] 8x784; ",
    PARAMETERS + 'W0 = { name = "dense1.w", transpose = [0, 2] }': "expected an order of 2 axes.",
    PARAMETERS + 'W0 = { nam = "dense1.w" }': "Object contains unknown field 'nam'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_step_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ModuleError) as caught:
        bound(tmp_path, SMALL, small_step(), text)
    line = str(caught.value)
    assert WRONG[text] in line
    assert line.startswith(str(tmp_path / "step"))
    assert "\n" not in line
    assert line.endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "lr=0.1, batch_size=4",
            "lr=0.1, batch_size=16",
            "takes 4 images a step, Small trains with 16. Give --batch 4.",
        ),
        (
            "Sgd()",
            "Sgd(momentum=0.9)",
            "keeps velocity of each parameter; no argument has the role 'slot velocity'.",
        ),
        ("optimizer=Sgd()", "optimizer=Sgd(), weight_decay=0.1", "no argument has the role 'slot velocity'."),
        ("classes=10", "classes=9", "one-hot labels, onehot, are 4x10xf32, expected 4x9xf32."),
    ],
)
def test_a_network_that_the_step_does_not_train_is_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    network = SMALL.replace(old, new)
    network = network.replace("Dense(8, 10)", "Dense(8, 9)") if "classes=9" in network else network
    assert network != SMALL
    with pytest.raises(ModuleError) as caught:
        bound(tmp_path, network, small_step(), 'module = "step.mlir"')
    assert str(caught.value).endswith(told)


def test_axes_that_a_shape_does_not_tell_have_to_be_stated(tmp_path: Path) -> None:
    turned = MLP_STEP.replace("%x, %W0, contracting_dims = [1] x [0]", "%x, %W0, contracting_dims = [1] x [1]")
    turned = turned.replace(
        "%x, %dh0, contracting_dims = [0] x [0] : (tensor<32x784xf32>, tensor<32x512xf32>)",
        "%dh0, %x, contracting_dims = [0] x [0] : (tensor<32x512xf32>, tensor<32x784xf32>)",
    )
    turned = turned.replace("784x512", "512x784")
    told = 'the shape of W1 does not tell the order of its axes. Write under [parameters]: W1 = { name = "dense2.w", '
    with pytest.raises(ModuleError) as caught:
        bound(tmp_path, MLP, turned, 'module = "step.mlir"')
    assert told in str(caught.value)
    table = '[parameters]\nW1 = { name = "dense2.w", transpose = [0, 1] }\n'
    step = bound(tmp_path, MLP, turned, f"{MODULE}{table}")
    assert {tensor.name: tensor.axes for tensor in step.held if len(tensor.axes) == 2} == {
        "dense1.w": (1, 0),
        "dense2.w": (0, 1),
        "dense3.w": (0, 1),
    }


def test_tensors_and_images_go_into_a_layout_and_come_back() -> None:
    import numpy as np

    kernel = np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7)  # OIHW
    (axes,) = possible_axes((5, 7, 3, 2), (2, 3, 5, 7))
    assert to_module(kernel, axes).shape == (5, 7, 3, 2)
    assert to_module(kernel, axes)[4, 6, 2, 1] == kernel[1, 2, 4, 6]
    np.testing.assert_array_equal(to_network(to_module(kernel, axes), axes), kernel)
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert laid_out(images, (3, 4, 5), "NHWC")[1, 2, 3, 0] == images[1, 0, 2, 3]
    assert laid_out(images, (3, 4, 5), "flat").shape == (2, 60)
    assert laid_out(images.reshape(2, 60), (3, 4, 5), "NCHW").shape == (2, 3, 4, 5)
