"""The modules of phase 3 compile for the GPUs of both vendors, on a machine that has neither."""

from pathlib import Path
from typing import get_args

import pytest

from harness.emit.phase3 import emit_phase3
from harness.errors import EmitError
from harness.nn.layers.avg_pool import AvgPool
from harness.nn.layers.conv2d import Conv2d
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.depthwise_bn import DepthwiseBn
from harness.nn.layers.dropout import Dropout
from harness.nn.layers.flatten import Flatten
from harness.nn.layers.gelu import Gelu
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.layers.instance_norm import InstanceNorm
from harness.nn.layers.layer_norm import LayerNorm
from harness.nn.layers.max_pool import MaxPool
from harness.nn.layers.patch_embed import PatchEmbed
from harness.nn.layers.transformer_encoder import TransformerEncoder
from harness.nn.losses import SoftmaxCrossEntropy
from harness.nn.optimizers import Adam
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import Compiled, compile_module
from harness.spec.models import load_model
from harness.spec.netspec import Conventions, DType, NetSpec, TrainConfig
from harness.spec.shapes import Graph, infer_shapes

pytestmark = pytest.mark.usefixtures("own_chips")
CHIPS = {"cuda": b"sm_89", "rocm": b"gfx1100"}
CONFIG = TrainConfig(lr=0.001, batch_size=8, epochs=1, optimizer=Adam(), weight_decay=1e-4)
TINY = infer_shapes(
    NetSpec(
        name="Tiny",
        dataset="mnist",
        input_shape=(1, 12, 12),
        classes=10,
        layers=[
            ConvBn(1, 4, kernel=3, stride=2),
            MaxPool(2, 2),
            ConvBn(4, 8, kernel=1),
            GlobalAvgPool(),
            Flatten(),
            Dense(8, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )
)
# Long reductions, matrix products in batches, whole numbers without sign: what no convolutional network has.
SEQUENCES = infer_shapes(
    NetSpec(
        name="Sequences",
        dataset="mnist",
        input_shape=(1, 28, 28),
        classes=10,
        layers=[
            Conv2d(1, 4, 3, stride=2),
            InstanceNorm(4),
            Dropout(0.1),
            MaxPool(3, 2),
            PatchEmbed(4, 8, 3, 4),
            Dropout(0.1),
            TransformerEncoder(8, 2, 16),
            Dropout(0.5),
            LayerNorm(8),
            Dense(8, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )
)
# Convolutions in groups and with their taps apart, pools that overlap, and the long polynomial of the exact GELU.
WINDOWS = infer_shapes(
    NetSpec(
        name="Windows",
        dataset="mnist",
        input_shape=(1, 12, 12),
        classes=10,
        layers=[
            Conv2d(1, 4, (1, 3), (2, 1), (0, 1), activation=Gelu("none")),
            Conv2d(4, 8, 3, groups=4),
            Conv2d(8, 4, 3, (1, 2), dilation=2, groups=2),
            DepthwiseBn(4, 3, 1, "SAME", (2, 1)),
            AvgPool(3, 1, count_include_pad=False),
            MaxPool((3, 2), 2, (1, 0)),
            Flatten(),
            Dense(36, 10),
        ],
        loss=SoftmaxCrossEntropy(),
    )
)


def compiled(backend: str, graph: Graph, config: TrainConfig, dtype: DType) -> dict[str, Compiled]:
    texts, _ = emit_phase3(graph, config, dtype, Conventions(), rules=registered_rules())
    flags = BACKENDS[backend].compile_flags()
    return {name: compile_module(text, flags, f"{graph.spec.name} {name}") for name, text in texts.items()}


@pytest.mark.parametrize("dtype", get_args(DType))
@pytest.mark.parametrize("backend", CHIPS)
def test_a_small_network_compiles(backend: str, dtype: DType) -> None:
    for module in compiled(backend, TINY, CONFIG, dtype).values():
        code = module.path.read_bytes()
        assert [chip for chip in CHIPS.values() if chip in code] == [CHIPS[backend]]


@pytest.mark.parametrize("backend", CHIPS)
def test_sequences_and_masks_compile(backend: str) -> None:
    for module in compiled(backend, SEQUENCES, CONFIG, "f32").values():
        assert CHIPS[backend] in module.path.read_bytes()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("backend", CHIPS)
def test_windows_of_every_kind_compile(backend: str, dtype: DType) -> None:
    for module in compiled(backend, WINDOWS, CONFIG, dtype).values():
        assert CHIPS[backend] in module.path.read_bytes()


@pytest.mark.parametrize("backend", CHIPS)
@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_the_published_networks_compile(name: str, backend: str) -> None:
    model = load_model(name)
    modules = compiled(backend, model.graph, model.config, "f32")
    assert list(modules) == ["train_step", "logits"]
    assert all(CHIPS[backend] in module.path.read_bytes() for module in modules.values())


@pytest.mark.parametrize("backend", CHIPS)
def test_a_module_that_does_not_compile_names_the_target(backend: str) -> None:
    """The flags are part of the message, and the message is one line."""
    flags = BACKENDS[backend].compile_flags()
    with pytest.raises(EmitError, match=rf"^broken: iree-compile .*={CHIPS[backend].decode()}: [^\n]*error") as told:
        compile_module("module { func.func @main() -> tensor<2xf32> { return } }", flags, "broken")
    assert "\n" not in str(told.value)


def test_a_compiler_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "iree-compile"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr("harness.run.compile.find_tool", lambda name: str(hanging))
    monkeypatch.setattr("harness.run.compile.TIMEOUT_S", 0.5)
    with pytest.raises(EmitError, match=r"^slow: iree-compile -x: no end after 0\.5 s$"):
        compile_module("module {}", ["-x"], "slow")
    assert not list(tmp_path.rglob("*.vmfb"))


def test_a_module_that_is_not_as_it_was_written_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    flags = BACKENDS["cpu"].compile_flags()

    def compiled() -> Compiled:
        return compile_module(
            "func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }", flags, "f"
        )

    first = compiled()
    whole, clock = first.path.read_bytes(), first.path.with_suffix(".record")
    assert (first.cached, compiled().cached) == (False, True)
    for path, content in ((first.path, whole[:100]), (first.path, b""), (clock, b""), (clock, b"x y"), (clock, b"1.0")):
        path.write_bytes(content)
        assert not compiled().cached
        assert compiled().cached
        assert first.path.read_bytes()[:4] == whole[:4]
