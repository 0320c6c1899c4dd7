"""The modules that faults are injected into: train steps of small networks, emitted by hand and exported from JAX.

Many sizes are equal on purpose: an axis that is taken for another one must fit to be a fault and not a refusal.
"""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.errors import EmitError
from harness.module.load import StableModule, load
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.relu import Relu
from harness.nn.layers.residual_block import ResidualBlock
from harness.nn.layers.swish import Swish
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam, Sgd
from harness.nn.rules import registered_rules
from harness.spec.netspec import Conventions, Layer, NetSpec, Optimizer, Shape, TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.system.process import run_module
from harness.system.scratch import scratch

Source = Literal["emitted", "exported"]  # a module by hand, or what JAX makes of the emitted script
_STEP = "train_step"


@dataclass(frozen=True)
class ModuleNetwork:
    """A network and how it is trained."""

    spec: NetSpec
    config: TrainConfig

    def graph(self) -> Graph:
        """The network ready for emission."""
        return infer_shapes(self.spec)


def _network(name: str, shape: Shape, optimizer: Optimizer, *layers: Layer, batch: int = 4) -> ModuleNetwork:
    spec = NetSpec(name=name, dataset="mnist", input_shape=shape, classes=10, layers=layers, loss=SoftmaxCrossEntropy())
    config = TrainConfig(lr=0.01, batch_size=batch, epochs=1, optimizer=optimizer, weight_decay=0.01)
    return ModuleNetwork(spec, config)


NETWORKS = {
    "mlp": _network(
        "modules-mlp",
        (8,),
        Adam(),
        Dense(8, 8, activation=Relu()),
        Dense(8, 8, activation=Swish()),
        Dense(8, 10),
        batch=8,
    ),
    "cnn": _network(
        "modules-cnn",
        (4, 8, 8),
        Sgd(momentum=0.9),
        Conv2d(4, 4, 3, activation=Relu()),
        MaxPool(2, 2),
        Conv2d(4, 4, 3, activation=Relu()),
        Flatten(),
        Dense(64, 10),
    ),
    "residual": _network(
        "modules-residual",
        (4, 8, 8),
        Sgd(momentum=0.9),
        ConvBn(4, 4, 3),
        ResidualBlock(4, 4),
        GlobalAvgPool(),
        Dense(4, 10),
    ),
    "attention": _network(
        "modules-attention",
        (1, 8, 8),
        Adam(),
        PatchEmbed(1, 8, 4, 4),
        TransformerEncoder(8, 2, 8, 1),
        Dense(8, 10),
    ),
    "depthwise": _network(
        "modules-depthwise",
        (4, 8, 8),
        Sgd(),
        DepthwiseBn(4, 3, activation=Relu()),
        ConvBn(4, 4, 1),
        DepthwiseBn(4, 3, activation=Swish()),
        GlobalAvgPool(),
        Dense(4, 10),
    ),
}
MODULES: tuple[tuple[str, Source], ...] = tuple((name, source) for name in NETWORKS for source in get_args(Source))


@cache
def module_of(network: str, source: Source = "emitted") -> StableModule:
    """The train step of one of `NETWORKS`."""
    one = NETWORKS[network]
    return train_step(one.graph(), one.config, source)


def train_step(graph: Graph, config: TrainConfig, source: Source) -> StableModule:
    """The train step of a network as a module. Raises: EmitError where JAX does not export it."""
    make = _emitted if source == "emitted" else _exported
    with scratch() as folder:
        path = folder / f"{graph.spec.name}.mlir"
        path.write_text(make(graph, config, folder))
        module = load(path, _STEP)
    return replace(module, path=Path(f"{graph.spec.name} {source}"))


def _emitted(graph: Graph, config: TrainConfig, folder: Path) -> str:
    texts, _ = emit_phase3(graph, config, "f32", Conventions(), rules=registered_rules())
    return texts[_STEP]


def _exported(graph: Graph, config: TrainConfig, folder: Path) -> str:
    script = folder / "script.py"
    command = "python -m harness power --modules"
    script.write_text(emit_jax_script(graph, config, "f32", Conventions(), command=command, rules=registered_rules()))
    done = subprocess.run(
        [*run_module("harness.emit.export"), str(script)],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise EmitError(f"{graph.spec.name}: JAX does not export it: {said[-1]}")
    text: str = json.loads(done.stdout)[_STEP]
    return text
