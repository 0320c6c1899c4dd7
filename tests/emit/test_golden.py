"""Emitted code, compared with files that a reviewer reads; `make golden` rewrites them."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.separable_conv import SeparableConv
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.nn.rules import registered_rules
from harness.spec.models import all_models, load_model
from harness.spec.netspec import PROFILES, Conventions, NetSpec, TrainConfig
from harness.spec.shapes import infer_shapes
from tests.support.every_layer import GRAPHS
from tests.support.networks import config as small_config
from tests.support.networks import network
from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"


def compare(name: str, text: str, update: bool) -> None:
    path = GOLDEN / name
    if update:
        path.write_text(text)
    assert path.is_file(), f"{path.name} is missing; run `make golden` and read it."
    assert text == path.read_text(), f"{name} changed; run `make golden` and read the difference."


@pytest.mark.parametrize("model", ["mnist_mlp", "mnist_cnn"])
def test_phase2_script(model: str, request: pytest.FixtureRequest) -> None:
    m = load_model(model)
    conventions = PROFILES["shared"]["phase2"]
    text = emit_jax_script(
        m.graph, m.config, "f32", conventions, command=f"harness emit {model}", rules=registered_rules()
    )
    compare(f"{model}.phase2.py", text, request.config.getoption("--update-golden"))
    assert_as_by_hand(GOLDEN / f"{model}.phase2.py")


def assert_as_by_hand(path: Path) -> None:
    """By linter and formatter under this project's own rules, except that each layer is a statement."""
    rules = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--ignore", "RET504"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *rules, str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_of_all_networks_are_as_by_hand(tmp_path: Path) -> None:
    for model in all_models():
        for profile, sides in PROFILES.items():
            text = emit_jax_script(
                model.graph, model.config, "f32", sides["phase2"], command="harness emit", rules=registered_rules()
            )
            (tmp_path / f"{model.name}_{profile}.py").write_text(text)
    wide = emit_jax_script(
        model.graph, model.config, "wide", Conventions(), command="harness emit", rules=registered_rules()
    )
    (tmp_path / "wide.py").write_text(wide)
    assert_as_by_hand(tmp_path)


def test_scripts_of_all_switches_are_as_by_hand(tmp_path: Path) -> None:
    layers = [ConvBn(1, 2, stride=2), SeparableConv(2, 3, 2), InstanceNorm(3), MaxPool(2, 2), Flatten(), Dropout(0.5)]
    spec = NetSpec(
        name="Switches",
        dataset="mnist",
        input_shape=(1, 28, 28),
        classes=10,
        layers=[*layers, Dense(48, 10)],
        loss=SoftmaxCrossEntropy(),
    )
    plain = TrainConfig(lr=0.1, batch_size=8, epochs=4, optimizer=Sgd(momentum=0.9))
    switched = [
        Conventions(**{field.name: value})
        for field in dataclasses.fields(Conventions)
        for value in get_args(field.type)
        if value != field.default
    ]
    runs = [(dataclasses.replace(plain, optimizer=Adam(), weight_decay=0.1), one) for one in switched]
    for schedule in ("epoch", "step"):
        for cosine, warmup in ((False, 0), (False, 2), (True, 0), (True, 2)):
            options = {"schedule": schedule, "cosine": cosine, "warmup_epochs": warmup, "label_smoothing": 0.1}
            runs.append((dataclasses.replace(plain, **options), Conventions()))
    for i, (config, conventions) in enumerate(runs):
        text = emit_jax_script(
            infer_shapes(spec), config, "f64", conventions, command="harness emit", rules=registered_rules()
        )
        (tmp_path / f"script{i}.py").write_text(text)
    assert_as_by_hand(tmp_path)


@pytest.mark.parametrize("ties", ["first", "all"])
def test_scripts_of_uneven_windows_and_of_several_epsilons_are_as_by_hand(ties: str, tmp_path: Path) -> None:
    spec = network(
        (1, 28, 28),
        ConvBn(1, 4, (3, 1), (2, 1), (1, 0), epsilon=0.1),
        Conv2d(4, 4, 3, dilation=2, groups=2),
        ConvBn(4, 4),
        MaxPool((2, 3), (2, 1), "VALID"),
        AvgPool(3, 1, count_include_pad=False),
        ConvBn(4, 4, epsilon=0.1),
        Flatten(),
        Dense(4 * 7 * 26, 4, activation=Gelu("none")),
    )
    conventions = Conventions(pool_ties=ties)
    graph = infer_shapes(spec)
    text = emit_jax_script(graph, small_config(), "f64", conventions, command="harness emit", rules=registered_rules())
    (tmp_path / "script.py").write_text(text)
    assert_as_by_hand(tmp_path)
    assert re.findall(r"^BN_EPSILON.*", text, re.MULTILINE) == ["BN_EPSILON = 0.1", "BN_EPSILON_2 = 1e-05"]
    calls = re.findall(r"= (batch_norm(?:_2)?)\(", text)
    assert calls == ["batch_norm", "batch_norm_2", "batch_norm"]
    for name, epsilon in (("batch_norm", "BN_EPSILON"), ("batch_norm_2", "BN_EPSILON_2")):
        body = re.search(rf"^def {name}\(.*?(?=^def )", text, re.MULTILINE | re.DOTALL)
        assert body
        assert f"jnp.sqrt(var + {epsilon})" in body[0]


@pytest.mark.parametrize("model", ["mnist_mlp", "mnist_cnn"])
def test_phase3_modules(model: str, request: pytest.FixtureRequest) -> None:
    m = load_model(model)
    texts, _ = emit_phase3(
        m.graph,
        m.config,
        "f32",
        PROFILES["shared"]["phase3"],
        command=f"harness emit {model}",
        rules=registered_rules(),
    )
    for function, text in texts.items():
        compare(f"{model}.phase3.{function}.mlir", text, request.config.getoption("--update-golden"))


@pytest.mark.parametrize("model", ["mnist_mlp", "mnist_cnn"])
def test_emission_is_repeatable_and_f64_differs_only_in_width(model: str) -> None:
    m = load_model(model)
    first, again, wide = (
        emit_phase3(m.graph, m.config, dtype, PROFILES["shared"]["phase3"], rules=registered_rules())[0]
        for dtype in ("f32", "f32", "f64")
    )
    assert first == again
    for function, text in first.items():
        narrow = text.replace("f32", "f64").replace("0xFF800000", "0xFFF0000000000000")
        assert narrow.splitlines() == wide[function].splitlines()


@pytest.mark.parametrize("name", GRAPHS)
def test_a_wide_step_is_one_in_f64_between_conversions_of_its_parameters(name: str) -> None:
    graph, conventions = GRAPHS[name], Conventions()
    f64, wide = (
        emit_phase3(graph, small_config(), dtype, conventions, rules=registered_rules())[0] for dtype in ("f64", "wide")
    )
    for function, text in wide.items():
        lines = [line for line in text.splitlines() if not re.search("barrier .*_widened", line)]
        converted = [line for line in lines if re.search(r"convert .*f32>\) -> |\) -> tensor<.*f32>$", line)]
        widened = len(graph.params) * {"logits": 1, "train_step": 3}[function]  # of a step, and before and after it
        assert len(converted) == widened + len(graph.params) * (function == "train_step")
        kept = "\n".join(line for line in lines if line not in converted and "// Parameters rounded" not in line)
        plain = re.sub(r"(%\w+)_f64\b", r"\1", kept).replace("_rounded", "_new").replace("f32", "f64")
        assert plain.splitlines()[1:] == f64[function].splitlines()[1:]  # below the title
    text = emit_jax_script(graph, small_config(), "wide", conventions, command="harness emit", rules=registered_rules())
    assert "params = widened(params)" in text
    assert "return loss, rounded(new_params), new_slots, new_stats, grads" in text
