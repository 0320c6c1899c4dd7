"""Emitted code, compared with files that a reviewer reads; `make golden` rewrites them."""

from pathlib import Path

import pytest

from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.nn_rules import registered_rules
from harness.spec.models import load_model
from harness.spec.netspec import PROFILES

GOLDEN = Path(__file__).parents[1] / "golden"


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


@pytest.mark.parametrize("model", ["mnist_mlp", "mnist_cnn"])
def test_phase3_modules(model: str, request: pytest.FixtureRequest) -> None:
    m = load_model(model)
    texts, _ = emit_phase3(m.graph, m.config, "f32", PROFILES["shared"]["phase3"], rules=registered_rules())
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
