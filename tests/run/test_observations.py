"""What programs observe of a step, against numpy: norms and projections of given tensors, by each compiler."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from harness.emit.jax_script import emit_jax_script
from harness.emit.observe import emit_observe
from harness.emit.phase3 import emit_phase3, verify_module
from harness.nn.layers.conv_bn import ConvBn
from harness.nn.layers.dense import Dense
from harness.nn.layers.global_avg_pool import GlobalAvgPool
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import Batch, Phase2, recorded, script_module
from harness.run.iree_device import Device
from harness.run.iree_runner import observations
from harness.run.trainer import Executor
from harness.run.xla_device import XlaDevice
from harness.spec.netspec import Conventions, DType
from harness.spec.shapes import Graph, infer_shapes
from harness.trace.projection import project
from tests.support.networks import config, network

Tensors = Mapping[str, np.ndarray]
Observe = Callable[[Tensors, Tensors, Tensors, Tensors], dict[str, Any]]
# A weight of four axes, one of two, vectors and running statistics.
GRAPH = infer_shapes(network((3, 8, 8), ConvBn(3, 24, kernel=3), GlobalAvgPool(), Dense(24, 4)))
VECTORS = infer_shapes(network((6,), Dense(6, 4)))
TRAIN = config()
X, LABELS = np.zeros((4, 3, 8, 8), np.float32), np.zeros(4, np.int32)
EXACT = {"f32": 1e-6, "f64": 1e-12}  # of the tensor's norm


def script_of(graph: Graph, dtype: DType) -> Observe:
    source = emit_jax_script(graph, TRAIN, dtype, Conventions(), command="a test", rules=registered_rules())
    script = script_module(source)
    return lambda grads, before, after, stats: script.observations(X, LABELS, grads, before, after, stats)


def eager_script_of(graph: Graph, dtype: DType) -> Observe:
    observe = script_of(graph, dtype)

    def eagerly(*tensors: Tensors) -> dict[str, Any]:
        with jax.disable_jit():
            return observe(*tensors)

    return eagerly


def module_of(graph: Graph, dtype: DType, device: Callable[[str], Executor]) -> Observe:
    _, plan = emit_phase3(graph, TRAIN, dtype, Conventions(), rules=registered_rules())
    text = emit_observe(graph, dtype, Conventions())
    verify_module(text, "observe")
    executor = device(text)

    def observe(*tensors: Tensors) -> dict[str, Any]:
        given = [executor.put(np.asarray(x)) for named in tensors for x in named.values()]
        return observations(plan, X, LABELS, [executor.get(view) for view in executor.call("observe", given)])

    return observe


def compiled(text: str) -> Path:
    return compile_module(text, BACKENDS["cpu"].compile_flags(), "observe").path


def iree_of(graph: Graph, dtype: DType) -> Observe:
    return module_of(graph, dtype, lambda text: Device(BACKENDS["cpu"].hal_device, [compiled(text)]))


@pytest.fixture
def xla_of(tmp_path: Path) -> Callable[[Graph, DType], Observe]:
    def device(text: str) -> XlaDevice:
        (tmp_path / "observe.mlir").write_text(text)
        return XlaDevice([tmp_path / "observe.mlir"])

    return lambda graph, dtype: module_of(graph, dtype, device)


@pytest.fixture(params=["script", "script without jit", "module by IREE", "module by XLA"])
def observer(request: pytest.FixtureRequest, xla_of: Any) -> Callable[[Graph, DType], Observe]:
    makers = [script_of, eager_script_of, iree_of, xla_of]
    return makers[["script", "script without jit", "module by IREE", "module by XLA"].index(request.param)]


def drawn(graph: Graph, dtype: DType) -> Iterator[dict[str, np.ndarray]]:
    """Gradients, parameters before, parameters after, statistics after."""
    rng = np.random.default_rng(3)
    kind = {"f32": np.float32, "f64": np.float64}[dtype]
    for tensors in (graph.params, graph.params, graph.params, graph.states):
        yield {t.name: rng.normal(size=t.shape).astype(kind) for t in tensors}


def norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(x.astype(np.float64)))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_norms_and_projections_are_those_of_numpy(observer: Any, dtype: DType) -> None:
    grads, before, after, stats = drawn(GRAPH, dtype)
    found = observer(GRAPH, dtype)(grads, before, after, stats)
    moves = {name: after[name] - before[name] for name in after}
    of = {"grad_norms": grads, "param_norms": before, "update_norms": moves, "stat_norms": stats}
    for channel, tensors in of.items():
        assert list(found[channel]) == list(tensors)
        for name, x in tensors.items():
            assert found[channel][name] == pytest.approx(norm(x), rel=EXACT[dtype]), (channel, name)
    for channel, tensors in {"grad_projections": grads, "update_projections": moves}.items():
        assert list(found[channel]) == list(tensors)
        for name, x in tensors.items():
            error = abs(found[channel][name] - project(name, x))
            assert error <= EXACT[dtype] * norm(x), (channel, name, error / norm(x))
    whole = norm(np.array([*found["grad_norms"].values()]))
    assert found["grad_norm"] == pytest.approx(whole, rel=EXACT[dtype])


def test_a_sign_and_an_order_change_projections_and_not_norms(observer: Any) -> None:
    grads, before, after, stats = drawn(GRAPH, "f32")
    observe = observer(GRAPH, "f32")
    plain = observe(grads, before, after, stats)
    for name in (p.name for p in GRAPH.params if len(p.shape) > 1):  # a few elements may happen to have mirrored signs
        x = grads[name]
        for other in (-x, x[::-1].copy()):
            found = observe({**grads, name: other}, before, after, stats)
            assert found["grad_norms"][name] == pytest.approx(plain["grad_norms"][name], rel=1e-6)
            assert abs(found["grad_projections"][name] - plain["grad_projections"][name]) > 0.01 * norm(x)


def test_a_network_without_running_statistics_has_no_norms_of_them(observer: Any) -> None:
    grads, before, after, stats = drawn(VECTORS, "f32")
    assert stats == {}
    found = observer(VECTORS, "f32")(grads, before, after, stats)
    assert "stat_norms" not in found
    assert list(found["grad_projections"]) == list(grads)


def test_a_compiled_module_holds_no_word_or_sign_of_any_element() -> None:
    """Those of a matrix of 512 by 512 are 256 KiB as bytes and 1 MiB as words; IREE stores up to a MiB of constants."""
    wide = infer_shapes(network((512,), Dense(512, 512), Dense(512, 4)))
    assert compiled(emit_observe(wide, "f32", Conventions())).stat().st_size < 128 << 10


def test_a_recording_in_memory_has_the_projections_of_its_steps() -> None:
    side, rng = Phase2(VECTORS, TRAIN, "f32"), np.random.default_rng(5)
    batches = [Batch(rng.normal(size=(4, 6)).astype(np.float32), np.arange(4, dtype=np.int32)) for _ in range(2)]
    steps = side.train(batches, side.rates(2, 5))
    lines = recorded(side, steps, batches, side.rates(2, 5), steps_per_epoch=5).trace.lines
    before = dict(zip(side.names, side.split(side.initial()), strict=True))
    for number, step in enumerate(steps, 1):
        moves = {name: step.params[name] - before[name] for name in side.names}
        assert lines[number].grad_projections == {name: project(name, x) for name, x in step.grads.items()}
        assert lines[number].update_projections == {name: project(name, x) for name, x in moves.items()}
        before = step.params
