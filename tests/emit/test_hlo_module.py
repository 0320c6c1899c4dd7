"""The header of a module's text, which is the same text wherever it runs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.emit.hlo_module import module_name
from harness.emit.train_step import emit_train_step
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.rules import registered_rules
from harness.run.cell import Cell
from harness.run.programs import emit_files
from harness.spec.models import load_model
from harness.spec.netspec import Conventions
from harness.spec.run_config import RunConfig
from harness.spec.shapes import infer_shapes
from tests.support.networks import network

SPEC = network((2, 6, 6), ConvBn(2, 3), GlobalAvgPool(), Dense(3, 4))


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("MNIST-CNN", "mnist_cnn"), ("ViT Tiny/16", "vit_tiny_16"), ("3 layers", "network_3_layers")],
)
def test_a_module_has_the_name_of_its_network(name: str, identifier: str) -> None:
    assert module_name(replace(SPEC, name=name)) == identifier


def test_results_are_said_in_the_order_in_which_they_are_returned() -> None:
    graph, settings = infer_shapes(SPEC), load_model("mnist_mlp").config
    text = emit_train_step(graph, settings, "f32", Conventions(), observed=False, rules=registered_rules())
    params, states = [p.name for p in graph.params], [s.name for s in graph.states]
    said = re.findall(r"^    tensor<\S+>,?  // (.*)$", text, re.MULTILINE)
    moments = [f"{name}.{slot}" for slot in ("m", "v") for name in params]
    assert said == ["loss", *params, *moments, *states, *(f"{name}.grad" for name in params)]
    returned = re.findall(r"^      %(\w+),?$", text.rpartition("    return\n")[2], re.MULTILINE)
    updated = [f"{name.replace('.', '_')}_new" for name in (*params, *moments)]
    assert returned[1 : 1 + len(updated)] == updated
    assert len(returned) == len(said)


def test_one_text_serves_every_backend_seed_and_compiler(tmp_path: Path) -> None:
    """The digest in a header proves it, so nothing of them may be in the text, the command included."""
    cell = Cell(load_model("mnist_mlp", batch=4), "phase3", "cpu")
    others = [
        cell,
        replace(cell, backend="cuda"),
        replace(cell, run=RunConfig(init_seed=43)),
        replace(cell, pipeline="phase3-xla"),
    ]
    texts = set()
    for other in others:
        train_step, *_ = emit_files(other, tmp_path)
        texts.add(train_step.read_text())
    (text,) = texts
    command = "python -m harness emit mnist_mlp --pipeline phase3 --dtype f32 --profile shared --batch 4"
    assert f"with\n//     {command}\n" in text


def test_a_step_is_materialised_at_its_gradients_alone() -> None:
    """A barrier further up would cut the step in parts for IREE, each of which allocates its memory at every step."""
    model = load_model("mnist_cnn")
    text = emit_train_step(model.graph, model.config, "f32", Conventions(), rules=registered_rules(), observed=False)
    forward_and_backward, _, _ = text.partition("// Gradients, materialised")
    assert "optimization_barrier" in text
    assert "optimization_barrier" not in forward_and_backward
    assert "optimization_barrier" not in text.partition("func.func private")[2]
