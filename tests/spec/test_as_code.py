"""Specs as Python: short, and equal to what they were."""

import pytest

from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.relu6 import Relu6
from harness.spec.as_code import as_code
from harness.spec.models import load_model, model_names
from harness.spec.netspec import Layer, Loss, NetSpec, Optimizer, TrainConfig


def classes() -> dict[str, type]:
    """Every class by its name, as imports would bring it into reach."""
    found: dict[str, type] = {}
    waiting: list[type] = [NetSpec, TrainConfig, Layer, Loss, Optimizer]
    while waiting:
        cls = waiting.pop()
        found[cls.__name__] = cls
        waiting += cls.__subclasses__()
    return found


@pytest.mark.parametrize("name", model_names())
def test_code_makes_an_equal_network(name: str) -> None:
    model = load_model(name)
    assert eval(as_code(model.spec), classes()) == model.spec
    assert eval(as_code(model.config), classes()) == model.config


def test_defaults_and_given_names_are_left_out() -> None:
    assert as_code(ConvBn(1, 4)) == "ConvBn(in_channels=1, out_channels=4)"
    assert as_code(ConvBn(1, 4, activation=Relu6())) == "ConvBn(activation=Relu6(), in_channels=1, out_channels=4)"
