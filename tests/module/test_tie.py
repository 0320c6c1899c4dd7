"""Ties: a step against a function, against another module, and what closes the gap where they differ."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.errors import HarnessError, ModuleError
from harness.module import execute
from harness.module.inputs import digest, draw
from harness.module.load import StableModule, load
from harness.module.task import Array, Noise
from harness.module.tie.constants import is_rounded
from harness.module.tie.explanations import TensorPair, explanations
from harness.module.tie.function import find_loss
from harness.module.tie.functions import tie_to_function, tie_to_network
from harness.module.tie.modules import tie_to_module
from harness.module.tie.reading import find_reader
from harness.module.tie.report import tied
from harness.module.tie.runs import TieRuns, widened
from harness.module.tie.slots import TiedParameter, parameters_of
from harness.module.tie.words import Tie, TiedTensor, scales
from harness.run.inprocess.reference_interpreter import interpret
from harness.system.process import Child
from tests.support.stablehlo_modules import SGD_STEP, lowered

pytestmark = pytest.mark.usefixtures("workers_here")

LOSSES = """
import jax
import jax.numpy as jnp


def log_p(W0, b0, W1, x):
    return jax.nn.log_softmax(jax.nn.relu(x @ W0 + b0) @ W1)


def loss(W0, b0, W1, x, onehot):
    return -(log_p(W0, b0, W1, x) * onehot).sum(-1).mean()


def in_order(first, second, third, images, labels):
    return loss(first, second, third, images, labels), "and more"


def by_key(p, x, y):
    return loss(p["W0"], p["b0"], p["W1"], x, y)


def smoothed(W0, b0, W1, x, onehot):
    return loss(W0, b0, W1, x, 0.9 * onehot + 0.1 / 3)


def summed_and_decayed(W0, b0, W1, x, onehot):
    return 8 * loss(W0, b0, W1, x, onehot) + 0.005 * (W1**2).sum()


def without_bias(W0, b0, W1, x, onehot):
    return loss(W0, 0 * b0, W1, x, onehot)


def naive(W0, b0, W1, x, onehot):
    z = jax.nn.relu(x @ W0 + b0) @ W1
    far = jax.lax.optimization_barrier(jnp.asarray(3e4, x.dtype))
    return -(jax.nn.log_softmax(z + far - far) * onehot).sum(-1).mean()


def of_labels(w0, b0, w1, x, y):
    log_p = jax.nn.log_softmax(jax.nn.relu(x @ w0 + b0) @ w1)
    return -jnp.take_along_axis(log_p, y[:, None], 1).mean()


def smoothed_labels(p, x, y):
    log_p = jax.nn.log_softmax(jax.nn.relu(x @ p["w0"] + p["b0"]) @ p["w1"])
    return -0.9 * jnp.take_along_axis(log_p, y[:, None], 1).mean() - 0.1 * log_p.mean()


def tree(p, x, y):
    return of_labels(p["w0"], p["b0"], p["w1"], x, y)


def vector(W0, b0, W1, x, onehot):
    return x


def broken(W0, b0, W1, x, onehot):
    return x @ W1


def two(a, b):
    return 0.0
"""
KEPT: dict[object, list[list[Array]]] = {}


class KeptRuns(TieRuns):
    """Runs nothing twice."""

    def _calls(
        self, shown: str, text: str, function: str, arguments: Sequence[Array], noises: Sequence[Noise]
    ) -> list[list[Array]]:
        key = (text, function, digest(arguments), tuple(noises))
        if key not in KEPT:
            KEPT[key] = super()._calls(shown, text, function, arguments, noises)
        return KEPT[key]


RUNS = KeptRuns(0, 120.0, lambda line: None)


@pytest.fixture(scope="module")
def sgd_step(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tie]:
    """Ties the step of gradient descent to a function of LOSSES, each once."""
    folder = tmp_path_factory.mktemp("sgd")
    (folder / "step.mlir").write_text(SGD_STEP)
    (folder / "losses.py").write_text(LOSSES)
    module, made = load(folder / "step.mlir"), {}

    def tie(name: str) -> Tie:
        if name not in made:
            made[name] = tie_to_function(module, f"{folder / 'losses.py'}:{name}", draw(module, 0), RUNS)
        return made[name]

    return tie


def test_a_step_is_tied_to_its_own_loss(sgd_step: Callable[[str], Tie]) -> None:
    tie = sgd_step("loss")
    assert {tensor.name: tensor.word for tensor in tie.tensors} == dict.fromkeys(["W0", "b0", "W1", "loss"], "tied")
    assert max(tensor.error for tensor in tie.tensors) < 1e-12
    assert all(tensor.ratio < 4.0 for tensor in tie.tensors if tensor.name != "loss")
    assert tie.exit_code == 0
    assert tie.notes == ("Gradients were read off updates, by feeding a rate of 0 and of 0.1.",)


@pytest.mark.parametrize("name", ["in_order", "by_key"])
def test_a_loss_is_bound_by_name_in_order_and_by_key(name: str, tmp_path: Path) -> None:
    (tmp_path / "step.mlir").write_text(SGD_STEP)
    (tmp_path / "losses.py").write_text(LOSSES)
    module = load(tmp_path / "step.mlir")
    texts = []
    for one in ("loss", name):
        loss = find_loss(f"{tmp_path / 'losses.py'}:{one}", module, parameters_of(module))
        grads = interpret(loss.lowered(module, wide=True), "main", [widened(draw(module, 0))[i] for i in loss.numbers])
        texts.append([grads[0], *(grads[1 + loss.differentiated.index(loss.numbers.index(i))] for i in (1, 2, 3))])
    for first, second in zip(*texts, strict=True):
        np.testing.assert_array_equal(first, second)


EXPLAINED = {
    "smoothed": "what it is held against has label smoothing of 0.1 over all classes (of 0.066667 over the other "
    "classes), the other side has none",
    "summed_and_decayed": "the module's gradients are 0.125, 1 over the batch, times those it is held against, and "
    "what it is held against has weight decay of 0.01 more in W1",
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_convention_closes_the_gap(name: str, sgd_step: Callable[[str], Tie]) -> None:
    tie = sgd_step(name)
    assert tie.explained == (EXPLAINED[name],)
    assert tie.exit_code == 1


def test_what_no_convention_explains_is_apart(sgd_step: Callable[[str], Tie]) -> None:
    tie = sgd_step("without_bias")
    assert tie.explained == ()
    assert tie.exit_code == 1
    assert "No convention that was tried closes the gap." in str(tied(tie, "text"))


def test_a_bias_that_the_step_forgets_is_apart(tmp_path: Path) -> None:
    broadcast = "    %b0r = stablehlo.broadcast_in_dim %b0, dims = [1] : (tensor<6xf32>) -> tensor<8x6xf32>\n"
    text = SGD_STEP.replace(broadcast, "").replace("stablehlo.add %h0, %b0r", "stablehlo.add %h0, %zeros")
    (tmp_path / "step.mlir").write_text(text)
    (tmp_path / "losses.py").write_text(LOSSES)
    module = load(tmp_path / "step.mlir")
    assert [parameter.name for parameter in parameters_of(module)] == ["W0", "b0", "W1"]
    tie = tied_to("loss", module)
    assert {tensor.name: tensor.word for tensor in tie.tensors}["b0"] == "apart"


def test_a_form_that_loses_digits_is_apart_in_f32_only(sgd_step: Callable[[str], Tie]) -> None:
    tie = sgd_step("naive")
    assert {tensor.word for tensor in tie.tensors} == {"tied", "apart in f32"}
    assert tie.exit_code == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vector", r"losses\.py:vector gives an array of \(8, 12\), expected a loss"),
        ("broken", r"losses\.py:\d+: TypeError: dot_general requires"),
        ("two", r"losses\.py:two takes a, b\. Expected arguments of the module by name, or its 3 parameters"),
        ("nobody", r"unknown function 'nobody'"),
    ],
)
def test_a_function_that_does_not_fit_is_told_in_one_line(name: str, told: str, sgd_step: Callable[[str], Tie]) -> None:
    with pytest.raises(HarnessError, match=told) as raised:
        sgd_step(name)
    assert "\n" not in str(raised.value)


def loss_of(p: dict[str, jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    log_p = jax.nn.log_softmax(jax.nn.relu(x @ p["w0"] + p["b0"]) @ p["w1"])
    return -jnp.take_along_axis(log_p, y[:, None], 1).mean()


def adam_step(p, m, v, x, y, lr, t):  # type: ignore[no-untyped-def]
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    move = jax.tree.map(lambda m, v: m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v)
    return jax.tree.map(lambda p, d: p - lr * d - 0.001 * p, p, move), m, v, loss


def momentum_step(p, m, x, y, lr):  # type: ignore[no-untyped-def]
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    m = jax.tree.map(lambda m, g, w: 0.9 * m + g + 0.01 * w, m, g, p)
    return jax.tree.map(lambda p, m: p - lr * m, p, m), m, loss


def fixed_rate_step(p, x, y):  # type: ignore[no-untyped-def]
    loss, g = jax.value_and_grad(loss_of)(p, x, y)
    return jax.tree.map(lambda p, g: p - 0.05 * g, p, g), loss


PARAMS = {name: jnp.ones(shape, jnp.float32) for name, shape in {"w0": (6, 8), "b0": (8,), "w1": (8, 8)}.items()}
DATA = (jnp.ones((16, 6), jnp.float32), jnp.ones((16,), jnp.int32))
NUMBER = jnp.ones((), jnp.float32)
SLOTTED = {
    "adam": (adam_step, (PARAMS, PARAMS, PARAMS, *DATA, NUMBER, NUMBER)),
    "momentum": (momentum_step, (PARAMS, PARAMS, *DATA, NUMBER)),
    "fixed rate": (fixed_rate_step, (PARAMS, *DATA)),
}


def slotted(name: str, folder: Path) -> StableModule:
    """A step with moments, its arguments called as JAX calls them."""
    step, arguments = SLOTTED[name]
    with jax.enable_x64(False):
        text = jax.jit(step).lower(*arguments).as_text(debug_info=True)
    (folder / "step.mlir").write_text(text)
    (folder / "losses.py").write_text(LOSSES)
    return load(folder / "step.mlir")


def tied_to(name: str, module: StableModule, **options: str) -> Tie:
    return tie_to_function(module, f"{module.path.parent / 'losses.py'}:{name}", draw(module, 0), RUNS, **options)


def test_moments_are_known_by_what_becomes_of_them(tmp_path: Path) -> None:
    step, arguments = SLOTTED["adam"]
    (tmp_path / "step.mlir").write_text(lowered(step, *arguments))
    found = parameters_of(load(tmp_path / "step.mlir"))
    assert found == tuple(TiedParameter(f"arg{i}", i, i, i + 3, i + 6) for i in range(3))


def test_gradients_are_read_off_the_first_moments_of_adam(tmp_path: Path) -> None:
    tie = tied_to("tree", slotted("adam", tmp_path))
    gradients = [tensor for tensor in tie.tensors if "rate" not in tensor.name]
    assert {tensor.word for tensor in gradients} == {"tied"}
    assert max(tensor.allowed for tensor in gradients) < 1e-8
    assert any("b1 is 0.9, read by feeding ones" in note for note in tie.notes)
    assert [tensor.name for tensor in tie.tensors if tensor.word == "apart"] == [
        f"p['{name}'] at a rate of 0" for name in ("b0", "w0", "w1")
    ]
    assert len(tie.explained) == 3
    assert "loses 0.001 of itself at a rate of 0" in tie.explained[0]


def test_smoothed_labels_of_whole_numbers_are_told(tmp_path: Path) -> None:
    tie = tied_to("smoothed_labels", slotted("adam", tmp_path))
    assert tie.explained[0].startswith("what it is held against has label smoothing of 0.1 over all classes")


def test_decay_in_a_velocity_is_told(tmp_path: Path) -> None:
    tie = tied_to("tree", slotted("momentum", tmp_path), rate="lr")
    assert tie.explained == ("the module has weight decay of 0.01 more in all parameters",)
    assert any("velocities" in note for note in tie.notes)


def test_a_rate_that_is_a_constant_is_said_to_be_unknown(tmp_path: Path) -> None:
    module = slotted("fixed rate", tmp_path)
    tie = tied_to("tree", module)
    assert tie.exit_code == 0
    assert tie.notes[0].startswith("The rate is no argument. Updates are 0.05 of the gradients")
    assert tied_to("tree", module, rate="0.05").exit_code == 0
    told = tied_to("tree", module, rate="0.1").explained
    assert told == ("the module's gradients are 0.5, 1 over two, times those it is held against",)
    with pytest.raises(ModuleError, match="--rate fast: expected a number, or an argument: it has none"):
        tied_to("tree", module, rate="fast")


def test_names_that_the_module_lacks_are_told(tmp_path: Path) -> None:
    step, arguments = SLOTTED["fixed rate"]
    (tmp_path / "step.mlir").write_text(lowered(step, *arguments))
    (tmp_path / "losses.py").write_text(LOSSES)
    with pytest.raises(ModuleError, match="looks up 'w0', and the module's parameters are called arg0, arg1, arg2"):
        tied_to("tree", load(tmp_path / "step.mlir"))


OTHERS = {
    "the same": (SGD_STEP, 0, ()),
    "summed": (
        SGD_STEP.replace("dense<0.125>", "dense<1.0>"),
        1,
        ("the module's gradients are 0.125 times those it is held against",),
    ),
    "another order": (SGD_STEP.replace("%z, %topr", "%topr, %z"), 1, None),
}


@pytest.mark.parametrize("name", OTHERS)
def test_two_modules_are_held_against_each_other(name: str, tmp_path: Path) -> None:
    text, exit_code, explained = OTHERS[name]
    for path, content in (("one.mlir", SGD_STEP), ("other.mlir", text)):
        (tmp_path / path).write_text(content)
    module = load(tmp_path / "one.mlir")
    tie = tie_to_module(module, load(tmp_path / "other.mlir"), draw(module, 0), RUNS)
    assert tie.exit_code == exit_code
    assert explained is None or tie.explained == explained
    assert len(tie.tensors) == 4


def test_arguments_in_another_order_are_found_by_name(tmp_path: Path) -> None:
    swapped = SGD_STEP.replace("%x: tensor<8x12xf32>, ", "").replace(
        "%lr: tensor<f32>)", "%lr: tensor<f32>, %x: tensor<8x12xf32>)"
    )
    for path, content in (("one.mlir", SGD_STEP), ("other.mlir", swapped)):
        (tmp_path / path).write_text(content)
    module = load(tmp_path / "one.mlir")
    assert tie_to_module(module, load(tmp_path / "other.mlir"), draw(module, 0), RUNS).exit_code == 0


def test_modules_of_other_arguments_are_refused(tmp_path: Path) -> None:
    for path, content in (("one.mlir", SGD_STEP), ("other.mlir", SGD_STEP.replace("12x6", "12x7").replace("6x", "7x"))):
        (tmp_path / path).write_text(content)
    module = load(tmp_path / "one.mlir")
    other = tmp_path / "other.mlir"
    other.write_text(lowered(lambda x: x * 2, jnp.ones((8, 12), jnp.float32)))
    with pytest.raises(ModuleError, match="their arguments do not go together by name or in order"):
        tie_to_module(module, load(other), draw(module, 0), RUNS)


def test_a_module_that_does_not_finish_compares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "Child", Child)  # a process, which can be stopped
    (tmp_path / "one.mlir").write_text(SGD_STEP)
    module = load(tmp_path / "one.mlir")
    tie = tie_to_module(module, module, draw(module, 0), TieRuns(0, 0.2, lambda line: None))
    assert tie.exit_code == 3
    assert "timed out" in tie.failure


def test_a_rate_of_zero_shows_no_gradient(tmp_path: Path) -> None:
    (tmp_path / "step.mlir").write_text(SGD_STEP)
    module = load(tmp_path / "step.mlir")
    fed = [
        np.zeros_like(a) if one.name == "lr" else a for one, a in zip(module.arguments, draw(module, 0), strict=True)
    ]
    with pytest.raises(ModuleError, match="the rate, 'lr', is fed 0"):
        find_reader(module, parameters_of(module), "", fed)


def test_what_the_members_cannot_bound_is_no_number() -> None:
    assert TiedTensor("w", "result", error=1.0, allowed=math.nan).word == "no number"
    assert TiedTensor("w", "result", error=1.0, allowed=math.inf).word == "no number"
    one, other = [np.array([math.inf]), np.ones(3)], [np.array([math.inf]), np.zeros(3)]
    assert scales(one, other)[1] == pytest.approx(math.sqrt(3.0))


def test_a_gradient_without_numbers_is_left_out_of_explanations() -> None:
    def pair(name: str, number: float) -> TensorPair:
        return TensorPair(name, (2,), np.array([number, 4.0]), np.array([1.0, 2.0]), np.array([3.0, 5.0]), 1e-9)

    assert explanations([pair("a", math.nan)], {}) == ([], True)
    told, whole = explanations([pair("a", math.nan), pair("b", 2.0)], {"two": 2.0})
    assert whole
    assert told == ["the module's gradients are 2, two, times those it is held against"]


def pairs_of(change: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> list[TensorPair]:
    """A tensor of which the module has something else, and one that is the same."""
    random = np.random.default_rng(0)
    grad, weight = random.normal(size=shape), random.normal(size=shape)
    same = TensorPair("b", (3,), np.arange(3.0), np.arange(3.0), np.ones(3), 1e-9)
    return [TensorPair("w", shape, change(grad).ravel(), grad.ravel(), weight.ravel(), 1e-9), same]


ALONE = {
    "transposed": (lambda g: g.T, (4, 4), "w: transposed"),
    "turned": (lambda g: g[:, :, ::-1, ::-1], (4, 2, 3, 3), "w: turned round along its last two axes"),
    "halved": (lambda g: g / 2, (4, 3), "w: times 0.5, 1 over two"),
    "sign": (lambda g: -g, (4, 3), "w: times -1, minus one"),
    "lost": (lambda g: 0 * g, (4, 3), "w: it is zero in the module"),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_is_wrong_in_one_tensor_alone_is_named(name: str) -> None:
    change, shape, told = ALONE[name]
    (found,), whole = explanations(pairs_of(change, shape), {"one": 1.0, "two": 2.0})
    assert found.startswith(told)
    assert not whole


ALL = {
    "decayed": (1.0, (0.01, 0.01), "the module has weight decay of 0.01 more in all parameters"),
    "decayed in one": (1.0, (-0.1, 0.0), "what it is held against has weight decay of 0.1 more in g0"),
    "summed": (8.0, (0.0, 0.0), "the module's gradients are 8, the batch, times those it is held against"),
    "minus": (-1.0, (0.0, 0.0), "the module's gradients are -1, minus one, times those it is held against"),
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_done_to_all_gradients_is_told_once(name: str) -> None:
    factor, decays, told = ALL[name]
    random = np.random.default_rng(0)
    pairs = []
    for i, decay in enumerate(decays):
        grad, weight = random.normal(size=(2, 20))
        pairs.append(TensorPair(f"g{i}", (20,), factor * grad + decay * weight, grad, weight, 1e-9))
    assert explanations(pairs, {"one": 1.0, "the batch": 8.0}) == ([told], True)


def test_clipping_is_told_by_the_norm_that_is_left() -> None:
    random = np.random.default_rng(0)
    grads = [random.normal(size=count) for count in (20, 5)]
    norm = float(np.linalg.norm(np.concatenate(grads)))
    pairs = [TensorPair(f"g{i}", g.shape, g / norm * 0.5, g, np.ones_like(g), 1e-9) for i, g in enumerate(grads)]
    (told,), _ = explanations(pairs, {})
    assert told.endswith("as if clipped to a global norm of 0.5")


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.1, True), (0.125, False), (3.0, False), (1e-5, True), (np.inf, False)]
)
def test_a_number_that_is_meant_as_it_is_is_not_shaken(number: float, rounded: bool) -> None:
    assert is_rounded(np.array(np.float32(number))) is rounded


def test_a_step_of_this_project_is_tied_to_phase_2(tmp_path: Path) -> None:
    module = emitted("mnist_mlp", tmp_path)
    tie = tie_to_network(module, "mnist_mlp", draw(module, 0), RUNS)
    assert tie.exit_code == 0
    assert len(tie.tensors) == 7
    with pytest.raises(ModuleError, match="its parameters are not those of mnist_cnn"):
        tie_to_network(module, "mnist_cnn", draw(module, 0), RUNS)


def emitted(name: str, folder: Path) -> StableModule:
    """The phase-3 step of a network for 4 images."""
    command = [
        sys.executable,
        "-m",
        "harness",
        "emit",
        name,
        "--pipeline",
        "phase3",
        "--batch",
        "4",
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return load(next(folder.glob("*.train_step.mlir")), "train_step")


def test_a_tie_is_written_as_json(sgd_step: Callable[[str], Tie]) -> None:
    document = json.loads(str(tied(sgd_step("loss"), "json")))
    assert document["exit_code"] == 0
    assert [tensor["word"] for tensor in document["tensors"]] == ["tied"] * 4
    assert document["tensors"][-1]["ratio_in_f32"] is None
