"""Names of emitted modules: every value is named by what it means."""

import re
from collections.abc import Iterator

import pytest

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Named
from harness.emit.phase3 import emit_phase3
from harness.nn.rules import registered_rules
from harness.spec.models import load_model, model_names
from harness.spec.netspec import Conventions

# An operation, and what else it may be called for short.
SHORT = {
    "add": "sum",
    "broadcast_in_dim": "broadcast",
    "concatenate": "concat",
    "divide": "div",
    "dot_general": "dot",
    "exponential": "exp",
    "maximum": "max",
    "minimum": "min",
    "multiply": "mul",
    "optimization_barrier": "barrier",
    "reduce": "sum",
    "subtract": "sub",
}


def values(text: str) -> Iterator[tuple[str, str]]:
    """Each value's name and the operation that makes it."""
    for results, operation in re.findall(r"^ *(%.*?) = (?:stablehlo\.)?(\w+)", text, re.MULTILINE):
        yield from ((name, operation) for name in re.findall(r"%(\w+)", results))


@pytest.mark.parametrize("model", model_names())
def test_values_are_named_by_meaning(model: str) -> None:
    """Not after their operation, nor `value`, nor told apart by a number; d_ is no prefix of what is no gradient.

    A constant ends with its shape.
    """
    m = load_model(model)
    texts, _ = emit_phase3(m.graph, m.config, "f32", Conventions(), rules=registered_rules())
    for name, operation in (pair for text in texts.values() for pair in values(text)):
        last = name.rpartition("_")[2].rstrip("0123456789")
        assert last not in (operation, SHORT.get(operation), "value"), f"%{name} = {operation}"
        assert last or operation == "constant", name
        assert not name.startswith(("d_", "number_")), name


def test_a_number_is_named_once_for_each_meaning_and_shape() -> None:
    h = HloBuilder("f32", Conventions())
    names = [
        str(h.constant(value, shape))
        for value, shape in (
            (0.0, ()),
            (0.0, (2, 3)),
            (Named(0.5, "share"), (2,)),
            (Named(0.5, "half"), (2,)),
            (0.5, ()),
        )
    ]
    assert names == ["%zero", "%zero_2x3", "%share_2", "%half_2", "%number_0_5"]
    assert str(h.constant(Named(0.5, "half"), (2,))) == "%half_2"
