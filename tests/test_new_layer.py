"""The README's example of a new layer, taken from the README, goes through both pipelines."""

import re
from pathlib import Path

from harness import rules
from harness.layers.dense import Dense
from harness.layers.flatten import Flatten
from harness.shapes import infer_shapes
from tests.programs import TwoPipelines
from tests.test_networks import config, network, worst

IMPORTS = """
from dataclasses import dataclass
from typing import ClassVar
from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.rules import hlo_backward, hlo_forward, jax_rule
from harness.spec import Layer, Shape
"""


def test_the_layer_of_the_readme() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    names: dict[str, object] = {"__name__": "readme"}
    try:
        exec(IMPORTS + code, names)
        layers = (Flatten(), names["Double"](), Dense(9, 4))
        both = TwoPipelines(infer_shapes(network((1, 3, 3), *layers)), config(), "f64")
        plain = TwoPipelines(infer_shapes(network((1, 3, 3), Flatten(), Dense(9, 4))), config(), "f64")
        assert worst(both.phase3(3), both.phase2(3)) < 1e-9
        assert worst(both.phase2(3), plain.phase2(3)) > 1e-3
    finally:
        for table in (rules.jax_rule, rules.hlo_forward, rules.hlo_backward):
            table.remove(names["Double"])
