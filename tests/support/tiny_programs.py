"""A tiny network's two emitted programs, run under an environment of which nothing comes from outside."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data import DATASETS
from harness.data.idx import images_header, labels_header
from harness.data.synthetic import write_synthetic
from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.emit.plan import write_plan
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.max_pool import MaxPool
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.spec.netspec import Conventions, DType, NetSpec, TrainConfig
from harness.spec.shapes import Graph, infer_shapes
from harness.trace.parts import parse_parts

# Batch norm, a pool and a schedule, and as small as that goes. The last three of the 43 images are in no batch.
SPEC = NetSpec(
    name="Tiny",
    dataset="mnist",
    input_shape=(1, 28, 28),
    classes=10,
    layers=[ConvBn(1, 3, kernel=3, stride=2), MaxPool(2, 2), Flatten(), Dense(147, 10)],
    loss=SoftmaxCrossEntropy(),
)
CONFIG = TrainConfig(
    lr=0.003, batch_size=8, epochs=14, optimizer=Adam(), weight_decay=0.01, cosine=True, warmup_epochs=2
)
GRAPH = infer_shapes(SPEC)
TRAIN, TEST, EPOCH_STEPS, ALL_STEPS = 43, 21, 5, 70
FILES = [file.name for file in DATASETS["mnist"].files]
CIFAR_FILES = [file.name for file in DATASETS["cifar10"].files]
NORMS = {f"{kind}_norm{s}" for kind in ("grad", "param", "update") for s in ("", "s")}
CHANNELS = NORMS | {"grad_projections", "update_projections", "stat_norms", "batch_sha256"}
PLAIN = {"kind", "step", "epoch", "loss", "lr", "wall_ms"}
# Variables that no test gets from outside, but those that say where JAX keeps what it compiled for the tests.
STEERS = re.compile(r"LEAN_MLIR_|HARNESS_TRACE|IREE_|JAX_(?!COMPILATION_CACHE_DIR|PERSISTENT_CACHE_)|XLA_")
SHORT = {"LEAN_MLIR_MAX_STEPS": "4", "LEAN_MLIR_NO_SHUFFLE": "1", "HARNESS_TRACE_CHANNELS": "all"}


@dataclass(frozen=True)
class Run:
    """Results of a program that exited 0: the lines of its trace and what it printed."""

    header: dict[str, Any]
    steps: list[dict[str, Any]]
    out: str

    def column(self, key: str) -> list[Any]:
        return [step[key] for step in self.steps]

    @property
    def tested(self) -> tuple[int, int]:
        """Rightly classified test images, and all that were tried, from the one line that the contract wants."""
        found = re.findall(r"^test accuracy: (\d\.\d{4}) \((\d+)/(\d+)\)$", self.out, re.MULTILINE)
        assert len(found) == 1, self.out
        correct, total = int(found[0][1]), int(found[0][2])
        assert found[0][0] == f"{correct / total:.4f}"
        return correct, total

    @property
    def correct(self) -> int:
        """Rightly classified test images of a whole test set."""
        assert self.tested[1] == TEST
        return self.tested[0]


def picture_graph(dataset: str, side: int) -> Graph:
    """A tiny network for coloured images."""
    layers = [ConvBn(3, 3, kernel=3, stride=4), GlobalAvgPool(), Dense(3, 10)]
    return infer_shapes(
        NetSpec(
            name=f"Tiny-{dataset}",
            dataset=dataset,
            input_shape=(3, side, side),
            classes=10,
            layers=layers,
            loss=SoftmaxCrossEntropy(),
        )
    )


def blank_files(images: int, labels: int, side: int = 28, label: int = 3) -> dict[str, bytes]:
    """The four files of a data set of black images, all of one class; as many for training as for testing."""
    pictures = images_header(images, side, side) + bytes(images * side * side)
    return dict(zip(FILES, [pictures, labels_header(labels) + bytes([label] * labels)] * 2, strict=True))


class Programs:
    """The two programs of a network, made when first asked for, and a small data folder."""

    def __init__(
        self, folder: Path, graph: Graph = GRAPH, config: TrainConfig = CONFIG, files: Sequence[str] = FILES
    ) -> None:
        self.folder, self.data = folder, folder / "data"
        self.graph, self.config = graph, config
        write_synthetic(self.data, files, train=TRAIN, test=TEST)
        self.command = functools.cache(self._command)
        self.one_device = functools.cache(lambda: self.run("phase2", folder / "one-device", **SHORT))

    def _command(self, pipeline: str, dtype: DType = "f32", seed: int = 42) -> tuple[str, ...]:
        """The words that start a program, without the data folder."""
        stem = f"{pipeline}-{dtype}-{seed}"
        if pipeline == "phase2":
            script = self.folder / f"{stem}.py"
            script.write_text(
                emit_jax_script(
                    self.graph,
                    self.config,
                    dtype,
                    Conventions(),
                    command="a test",
                    rules=registered_rules(),
                    init_seed=seed,
                )
            )
            return (sys.executable, str(script))
        texts, facts = emit_phase3(
            self.graph, self.config, dtype, Conventions(), rules=registered_rules(), init_seed=seed
        )
        plan = self.folder / f"{stem}.json"
        write_plan(plan, facts)
        flags = BACKENDS["cpu"].compile_flags()
        modules = [str(compile_module(text, flags, name).path) for name, text in texts.items()]
        return (sys.executable, "-m", "harness.run.iree_runner", str(plan), *modules)

    def start(self, command: tuple[str, ...], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder, with nothing of the contract set but `environment`."""
        inherited = {name: value for name, value in os.environ.items() if not STEERS.match(name)}
        environment = {**inherited, "JAX_PLATFORMS": "cpu", **environment}
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)

    def run(
        self,
        pipeline: str,
        cwd: Path,
        dtype: DType = "f32",
        seed: int = 42,
        data: Path | None = None,
        **environment: str,
    ) -> Run:
        """Run a program that has to end well, and to leave nothing but its trace and the dump that it was told of."""
        cwd.mkdir()
        command = (*self.command(pipeline, dtype, seed), str(data or self.data))
        done = self.start(command, cwd, LEAN_MLIR_TRACE_OUT="trace", **environment)
        assert done.returncode == 0, done.stderr
        assert {path.name for path in cwd.iterdir()} == {"trace", environment.get("LEAN_MLIR_INIT_DUMP", "trace")}
        header, *steps = map(json.loads, (cwd / "trace").read_text().splitlines())
        planned = parse_parts(header.get("run_steps") or f"1+{header['planned_steps']}")
        assert [step["step"] for step in steps] == [step for part in planned for step in part.steps]
        assert header["planned_steps"] == len(steps)
        return Run(header, steps, done.stdout)

    def both(self, cwd: Path, dtype: DType = "f32", **environment: str) -> tuple[Run, Run]:
        """Phase 2 and phase 3."""
        return (
            self.run("phase2", cwd / "phase2", dtype, **environment),
            self.run("phase3", cwd / "phase3", dtype, **environment),
        )
