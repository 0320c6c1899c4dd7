"""The example of a new layer in docs/extending.md, put into a folder as a file, trains through both real pipelines."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness.data import MNIST
from harness.data.synthetic import write_synthetic
from tests.support.paths import ROOT

IMPORTS = '''"""Twice the input."""

from dataclasses import dataclass
from typing import ClassVar

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.spec.reference import Array, Reference
from harness.spec.rules import hlo_backward, hlo_forward, jax_rule, reference_rule
from harness.spec.netspec import Layer, Shape

'''
SPEC = '''"""One dense layer on doubled pixels."""

from harness.nn.layers.dense import Dense
from harness.nn.layers.double import Double
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Sgd
from harness.spec.netspec import NetSpec, TrainConfig

SPEC = NetSpec(
    name="Doubled",
    dataset="mnist",
    input_shape=(784,),
    classes=10,
    layers=[Double(), Dense(784, 8), Double(), Dense(8, 10)],
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(lr=0.01, batch_size=4, epochs=1, optimizer=Sgd())
'''


def test_a_layer_is_added_by_adding_a_file(tmp_path: Path) -> None:
    example, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)
    layer = example[example.index("@dataclass") : example.index("SPEC =")]
    shutil.copytree(ROOT / "harness", tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "specs", tmp_path / "harness" / "specs", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "harness" / "nn" / "layers" / "double.py").write_text(IMPORTS + layer)
    (tmp_path / "harness" / "specs" / "doubled.py").write_text(SPEC)
    write_synthetic(tmp_path / "data", [file.name for file in MNIST.files], train=40, test=8)
    command = [sys.executable, "-m", "harness", "verify", "doubled", "--backends", "cpu", "--dtype", "f64"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data"), "--mode", "strict", "--all-steps"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("LEAN_MLIR_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "reports" / "doubled.f64.json").read_text())
    assert [cell["steps_written"] for cell in report["cells"]] == [10, 10]
    (pair,) = report["pairs"]
    assert pair["numbers"]["step_2"] < 1e-12
    build = tmp_path / "build"
    assert "double1 = 2.0 * x\n" in (build / "doubled.phase2.f64.py").read_text()
    assert "%double2_y = stablehlo.multiply %dense1_y," in (build / "doubled.phase3.f64.train_step.mlir").read_text()
