"""The state of a training by a module's step, in the network's names, and gradients read off it."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.initial_parameters import initial_parameters
from harness.errors import ContractError
from harness.module.executors import EXECUTORS
from harness.module.training.binding import TrainingStep, load_step
from harness.module.training.decimals import DecimalWidener, meant
from harness.module.training.device import open_device
from harness.module.training.gradients import GradientSource, gradient_source
from harness.module.training.texts import step_texts
from harness.module.training.weights import StepWeights
from harness.spec.models import load_model
from harness.spec.netspec import Arithmetic
from tests.support.training_steps import CONV, SMALL, conv_step, small_step, write_step

pytestmark = pytest.mark.usefixtures("no_network_file_yet")
NUMBERS = {"step": 1.0, "rate": float(np.float32(0.01)), "epoch": 0.0, "batch": 4.0}


def bound(folder: Path, network: str, module: str) -> TrainingStep:
    net, step = write_step(folder, network, module)
    return load_step(step, load_model(str(net)))


def begun(
    step: TrainingStep, folder: Path, dtype: Arithmetic = "f32", source: GradientSource | None = None
) -> StepWeights:
    """A training with drawn parameters on XLA, before its first step."""
    modules = step_texts(step, dtype)
    weights = StepWeights(
        step, open_device(EXECUTORS["xla"], modules.texts, folder), modules.function, dtype, source or modules.gradient
    )
    params = step.model.graph.params
    weights.put({param.name: x for param, x in zip(params, initial_parameters(params), strict=True)}, None)
    return weights


def after_steps(weights: StepWeights, step: TrainingStep, dtype: str = "f32", steps: int = 1) -> float:
    rng, batch = np.random.default_rng(1), step.model.config.batch_size
    x = rng.random((batch, *step.model.spec.input_shape)).astype(np.float32)
    labels = rng.integers(0, 10, batch).astype(np.int32)
    fed = x.astype(np.float64) if dtype == "f64" else x
    return [weights.take(fed, labels, NUMBERS | {"step": k + 1.0}) for k in range(steps)][-1]


def apart(found: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> float:
    """The largest relative difference of any tensor, by norm."""
    assert found.keys() == exact.keys()
    return max(float(np.linalg.norm(found[n] - exact[n]) / np.linalg.norm(exact[n])) for n in exact)


def test_gradients_of_plain_descent_are_what_it_subtracts(tmp_path: Path) -> None:
    step = bound(tmp_path, SMALL, small_step())
    in_f64, in_f32 = begun(step, tmp_path, "f64"), begun(step, tmp_path)
    by_difference = begun(step, tmp_path, source=GradientSource("difference"))
    for weights, dtype in ((in_f64, "f64"), (in_f32, "f32"), (by_difference, "f32")):
        after_steps(weights, step, dtype)
    exact = in_f64.gradients()
    assert apart(in_f32.gradients(), exact) < 2e-6
    assert by_difference.gradients() == {}, "a parameter absorbs what a channel would have to show"
    velocity = {name: by_difference.state()[f"{name}.velocity"] for name in exact}
    assert 1e-5 < apart(velocity, exact) < 1e-2
    assert {name: x.dtype for name, x in velocity.items()} == dict.fromkeys(exact, np.dtype(np.float32))


def test_gradients_that_are_added_have_the_same_sign(tmp_path: Path) -> None:
    text, subtracted = small_step(), "%W0n = stablehlo.subtract %W0, %mW0 : tensor<784x8xf32>"
    assert subtracted in text
    added = "%nW0 = stablehlo.negate %mW0 : tensor<784x8xf32>\n    %W0n = stablehlo.add %nW0, %W0 : tensor<784x8xf32>"
    gradients = []
    for module in (text, text.replace(subtracted, added)):
        step = bound(tmp_path, SMALL, module)
        weights = begun(step, tmp_path)
        after_steps(weights, step)
        gradients.append(weights.gradients())
    assert apart(gradients[1], gradients[0]) == 0.0


def test_a_parameter_that_is_moved_otherwise_gives_no_increment(tmp_path: Path) -> None:
    clipped = (
        "%W0m = stablehlo.subtract %W0, %mW0 : tensor<784x8xf32>\n    %W0n = stablehlo.abs %W0m : tensor<784x8xf32>"
    )
    text = small_step().replace("%W0n = stablehlo.subtract %W0, %mW0 : tensor<784x8xf32>", clipped)
    table = 'module = "step.mlir"\nresults = ["new W0","new b0","new W1","new b1","new W2","new b2","loss"]\n'
    net, path = write_step(tmp_path, SMALL, text, table)
    step = load_step(path, load_model(str(net)))
    source = gradient_source(step, step.module.inlined, "main")
    assert source == GradientSource("difference")


def test_gradients_of_adam_come_from_its_first_moment(tmp_path: Path) -> None:
    step = bound(tmp_path, CONV, conv_step())
    in_f64, in_f32 = begun(step, tmp_path, "f64"), begun(step, tmp_path)
    for weights, dtype in ((in_f64, "f64"), (in_f32, "f32")):
        after_steps(weights, step, dtype, steps=2)
    assert apart(in_f32.gradients(), in_f64.gradients()) < 2e-5
    assert sorted(in_f32.statistics()) == ["conv1.mean", "conv1.var"]
    assert apart(in_f32.statistics(), in_f64.statistics()) < 1e-5


def test_a_state_is_read_and_set_in_the_layout_of_the_network(tmp_path: Path) -> None:
    step = bound(tmp_path, CONV, conv_step())
    one, other = begun(step, tmp_path), begun(step, tmp_path)
    after_steps(one, step, steps=3)
    state = one.state()
    assert list(state)[:5] == [param.name for param in step.model.graph.params]
    assert (state["conv1.w"].shape, state["dense1.w.m"].shape) == ((4, 1, 3, 3), (3136, 10))
    other.put(state, 4)
    for name, tensor in other.state().items():
        np.testing.assert_array_equal(tensor, state[name])
    assert after_steps(one, step) == after_steps(other, step)


def test_the_slot_that_plain_descent_has_not_is_kept_as_it_was_given(tmp_path: Path) -> None:
    step = bound(tmp_path, SMALL, small_step())
    weights = begun(step, tmp_path)
    assert not any(x.any() for name, x in weights.state().items() if name.endswith(".velocity"))
    after_steps(weights, step)
    state = weights.state()
    np.testing.assert_array_equal(state["dense2.b.velocity"], weights.gradients()["dense2.b"])
    given = state | {"dense2.b.velocity": np.full(8, 2.0, np.float32)}
    weights.put(given, 9)
    np.testing.assert_array_equal(weights.state()["dense2.b.velocity"], given["dense2.b.velocity"])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (None, "dense2.b is nothing in the state, expected float32 of shape [8]."),
        (np.zeros(9, np.float32), "dense2.b is float32 of shape [9] in the state, expected float32 of shape [8]."),
        (np.zeros(8), "dense2.b is float64 of shape [8] in the state, expected float32 of shape [8]."),
    ],
)
def test_a_state_that_does_not_fit_is_one_line(tmp_path: Path, changed: np.ndarray | None, told: str) -> None:
    step = bound(tmp_path, SMALL, small_step())
    weights = begun(step, tmp_path)
    state = {name: x for name, x in weights.state().items() if name != "dense2.b"}
    with pytest.raises(ContractError) as caught:
        weights.put(state if changed is None else state | {"dense2.b": changed}, 2)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("written", "widened"),
    [
        ("0.9", 0.9),
        ("1e-8", 1e-8),
        ("0.044715", 0.044715),
        ("-0.001", -0.001),
        ("0.0078125", 1 / 128),
        ("0.333333343", float(np.float32(1 / 3))),
    ],
)
def test_a_short_decimal_is_meant_and_other_constants_keep_their_value(written: str, widened: float) -> None:
    assert meant(float(np.float32(written))) == widened


def test_a_step_in_f64_has_the_decimals_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "step.mlir"
    path.write_text(
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
        "  %a = stablehlo.constant dense<0.9> : tensor<2xf32>\n"
        "  %b = stablehlo.constant dense<[0.9, 0.1]> : tensor<2xf32>\n"
        "  %y = stablehlo.multiply %x, %a : tensor<2xf32>\n"
        "  %z = stablehlo.multiply %y, %b : tensor<2xf32>\n"
        "  return %z : tensor<2xf32>\n}\n"
    )
    text = DecimalWidener().clone(path.read_text(), "main")
    device = open_device(EXECUTORS["xla"], {"main": text}, tmp_path)
    (found,) = device.call("main", [device.put(np.ones(2))])
    data = np.array([0.9, 0.1], np.float32).astype(np.float64)  # what is no single number may be data
    np.testing.assert_allclose(device.get(found), 0.9 * data, rtol=1e-15)
