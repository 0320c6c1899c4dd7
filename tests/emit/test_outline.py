"""Repeated blocks are functions of their own, and mean what they meant in place."""

import re

import numpy as np
import pytest

from harness.emit import outline
from harness.emit.train_step import emit_train_step
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn_rules import registered_rules
from harness.spec.netspec import Conventions, NetSpec
from harness.spec.shapes import infer_shapes
from harness.validation.oracle.side_by_side import SideBySide
from tests.nn.test_networks import config, network
from tests.support.programs import drawn

RESIDUAL = network((2, 6, 6), ResidualBlock(2, 3, blocks=4, stride=2), GlobalAvgPool(), Dense(3, 4))
TRANSFORMER = network((1, 6, 6), PatchEmbed(1, 4, 3, 4), TransformerEncoder(4, 2, 8, blocks=3), Dense(4, 4))


def text_of(spec: NetSpec) -> str:
    return emit_train_step(infer_shapes(spec), config(), "f32", Conventions(), rules=registered_rules())


def called(text: str) -> dict[str, int]:
    """How often each function of a module is called; every call names a function that is there once."""
    functions = re.findall(r"func\.func private @(\w+)\(", text)
    assert len(functions) == len(set(functions))
    calls = re.findall(r"call @(\w+)\(", text)
    assert set(calls) == set(functions)
    return {name: calls.count(name) for name in functions}


def test_alike_blocks_are_written_once() -> None:
    """The first block differs from the rest by its stride and projection and stays in place."""
    text = text_of(RESIDUAL)
    tasks = ("", "_backward", "_update", "_grad_norms", "_param_norms", "_update_norms")
    assert called(text) == {f"residual1_block{task}": 3 for task in tasks}
    assert "  // For residual1.b2, residual1.b3, residual1.b4.\n  func.func private @residual1_block(" in text
    assert "  // For residual1.b4, residual1.b3, residual1.b2.\n  func.func private @residual1_block_backward(" in text


def test_a_function_is_named_after_what_it_does() -> None:
    """Also where only the updates of some layers are alike, and their passes are not."""
    layers = ConvBn(2, 3), ConvBn(3, 3), MaxPool(2, 2), ConvBn(3, 3), GlobalAvgPool(), Dense(3, 4)
    counts = called(text_of(network((2, 9, 9), *layers)))
    assert counts["conv2_update"] == 2
    assert {"conv2", "conv2_backward"}.isdisjoint(counts)


def test_a_network_without_repetition_has_no_functions() -> None:
    assert called(text_of(network((6,), Dense(6, 5), Dense(5, 4)))) == {}


def test_a_function_is_written_in_names_without_its_block() -> None:
    text = text_of(TRANSFORMER)
    (body,) = re.findall(r"func\.func private @encoder1_block_backward\(.*?\n  \}", text, re.DOTALL)
    assert "encoder1" not in body.partition("\n")[2]
    assert "// ln1: backward" in body
    assert "%d_ln1_dx" in body


def test_what_belongs_to_no_block_keeps_its_name() -> None:
    (head,) = re.findall(r"func\.func private @encoder1_block_update\(.*", text_of(TRANSFORMER))
    assert {"%lr", "%m_correction", "%v_correction"} <= set(re.findall(r"%\w+", head))


@pytest.mark.parametrize("spec", [RESIDUAL, TRANSFORMER], ids=["residual", "transformer"])
def test_outlining_changes_no_bit(spec: NetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    outlined = SideBySide(infer_shapes(spec), config(), "f32")
    monkeypatch.setattr(outline, "WORTH_LINES", 10**9)
    in_place = SideBySide(infer_shapes(spec), config(), "f32")
    assert called(outlined.train_step)
    assert not called(in_place.train_step)
    fed = drawn(outlined.graph, config(), "f32")
    for mine, theirs in zip(outlined.phase3(*fed), in_place.phase3(*fed), strict=True):
        assert mine.loss == theirs.loss
        for name in theirs.params:
            np.testing.assert_array_equal(mine.grads[name], theirs.grads[name])
            np.testing.assert_array_equal(mine.params[name], theirs.params[name])
