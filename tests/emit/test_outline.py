"""Repeated blocks are functions of their own, and mean what they meant in place."""

import re
from dataclasses import replace

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
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions, NetSpec
from harness.spec.shapes import infer_shapes
from harness.validation.oracle.side_by_side import SideBySide
from tests.support.networks import config, network
from tests.support.programs import drawn

RESIDUAL = network((2, 6, 6), ResidualBlock(2, 3, blocks=4, stride=2), GlobalAvgPool(), Dense(3, 4))
TRANSFORMER = network((1, 6, 6), PatchEmbed(1, 4, 3, 4), TransformerEncoder(4, 2, 8, blocks=3), Dense(4, 4))


def text_of(spec: NetSpec) -> str:
    return emit_train_step(infer_shapes(spec), config(), "f32", Conventions(), rules=registered_rules())


def called(text: str) -> dict[str, int]:
    """Number of calls of each function of a module; every call names a function that is there once."""
    functions = re.findall(r"func\.func private @(\w+)\(", text)
    assert len(functions) == len(set(functions))
    calls = re.findall(r"call @(\w+)\(", text)
    assert set(calls) == set(functions)
    return {name: calls.count(name) for name in functions}


def test_alike_blocks_are_written_once() -> None:
    """The first block differs from the rest by its stride and projection and stays in place."""
    text = text_of(RESIDUAL)
    blocks = {name: count for name, count in called(text).items() if "block" in name}
    assert blocks == {f"residual1_block{task}": 3 for task in ("", "_backward")}
    assert "  // For residual1.b2, residual1.b3, residual1.b4.\n  func.func private @residual1_block(" in text
    assert "  // For residual1.b4, residual1.b3, residual1.b2.\n  func.func private @residual1_block_backward(" in text


def test_what_is_done_for_every_tensor_is_one_function_for_each_shape() -> None:
    """Updates, norms and projections, also of layers that are not alike. Nothing is behind the first layer's dx.

    A batch norm has two running statistics, which have norms too.
    """
    layers = ConvBn(2, 3), ConvBn(3, 3), MaxPool(2, 2), ConvBn(3, 3), GlobalAvgPool(), Dense(3, 4)
    counts = called(text_of(network((2, 9, 9), *layers)))
    shapes = {"3x2x3x3": 1, "3x3x3x3": 2, "3": 6, "3x4": 1, "4": 1}
    assert counts == {
        "relayout_hwio_3x2x3x3": 1,
        "relayout_hwio_3x3x3x3": 2,
        "relayout_turned_hwoi_3x3x3x3": 2,
        **{f"adam_{shape}" if "x" in shape else f"adam_undecayed_{shape}": n for shape, n in shapes.items()},
        **{f"squared_norm_{shape}": 3 * n + 6 * (shape == "3") for shape, n in shapes.items()},
        **{f"projection_{shape}": 2 * n for shape, n in shapes.items()},
    }


def test_an_update_says_how_it_decays() -> None:
    def reasons(conventions: Conventions, weight_decay: float) -> dict[str, str]:
        spec, settings = network((6,), Dense(6, 4), Dense(4, 4)), replace(config(), weight_decay=weight_decay)
        text = emit_train_step(
            infer_shapes(spec), settings, "f32", conventions, observed=False, rules=registered_rules()
        )
        return {name: why for why, name in re.findall(r"  // (.*)\n  func\.func private @(\w+)\(", text)}

    apart, without = "p_new = p - lr direction - lr weight_decay p.", "p_new = p - lr direction."
    coupled = "p_new = p - lr direction, with the direction of g + weight_decay p."
    assert reasons(Conventions(), 0.1) == {"adam_6x4": apart, "adam_4x4": apart, "adam_undecayed_4": without}
    assert reasons(Conventions(), 0.0) == {"adam_6x4": without, "adam_4x4": without, "adam_4": without}
    assert reasons(Conventions("coupled", "all"), 0.1) == {"adam_6x4": coupled, "adam_4x4": coupled, "adam_4": coupled}


def test_a_function_is_written_in_names_without_its_block() -> None:
    text = text_of(TRANSFORMER)
    (body,) = re.findall(r"func\.func private @encoder1_block_backward\(.*?\n  \}", text, re.DOTALL)
    assert "encoder1" not in body.partition("\n")[2]
    assert "// ln1: backward" in body
    assert "%ln1_dx" in body
    assert "%d_" not in text_of(TRANSFORMER)


def test_what_belongs_to_no_block_keeps_its_name() -> None:
    """Batch norm reads the number of the step."""
    (head,) = re.findall(r"func\.func private @residual1_block\(.*", text_of(RESIDUAL))
    assert {"%x", "%t", "%conv1_w", "%conv1_mean"} <= set(re.findall(r"%\w+", head))


@pytest.mark.parametrize("spec", [RESIDUAL, TRANSFORMER], ids=["residual", "transformer"])
def test_outlining_changes_no_bit(spec: NetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    outlined = SideBySide(infer_shapes(spec), config(), "f32")
    monkeypatch.setattr(outline, "WORTH_LINES", 10**9)
    in_place = SideBySide(infer_shapes(spec), config(), "f32")
    blocks = [sum("block" in name for name in called(both.train_step)) for both in (outlined, in_place)]
    assert blocks == [2, 0]
    fed = drawn(outlined.graph, config(), "f32")
    for mine, theirs in zip(outlined.phase3(*fed), in_place.phase3(*fed), strict=True):
        assert mine.loss == theirs.loss
        for name in theirs.params:
            np.testing.assert_array_equal(mine.grads[name], theirs.grads[name])
            np.testing.assert_array_equal(mine.params[name], theirs.params[name])
