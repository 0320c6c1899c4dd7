"""Runs emitted programs inside the test process: a phase-2 script as a module, phase-3 text through IREE on the CPU."""

import types
from pathlib import Path
from typing import Any

import jax
import numpy as np

from harness.backends import BACKENDS
from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.emit.jax_script import emit_jax_script
from harness.emit.train_step import emit_train_step
from harness.initbin import initial_parameters
from harness.rules import hlo_backward, hlo_forward, jax_rule
from harness.run.compile import compile_module
from harness.run.iree_runner import Device
from harness.shapes import Graph, Node
from harness.spec import Conventions, DType, Layer, Shape, TrainConfig

SHARED = Conventions()


def iree_call(text: str, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """Compile a module for the CPU and call its function `main`."""
    compiled = compile_module(text, BACKENDS["cpu"].compile_flags(), "test module")
    device = Device("local-task", [compiled.path])
    return [device.get(view) for view in device.call("main", [device.put(a) for a in arguments])]


def script_module(source: str, name: str = "script") -> types.ModuleType:
    """An emitted script as a module; its `main` does not run."""
    module = types.ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def initial_state(graph: Graph, config: TrainConfig, dtype: DType, seed: int = 42) -> list[np.ndarray]:
    """Parameters, slots and statistics in the order of the train step's arguments."""
    kind = np.float32 if dtype == "f32" else np.float64
    params = [
        p.reshape(q.shape).astype(kind)
        for p, q in zip(initial_parameters(graph.params, seed), graph.params, strict=True)
    ]
    slots = [np.zeros(p.shape, kind) for _ in config.optimizer.slots for p in graph.params]
    return [*params, *slots, *(np.zeros(s.shape, kind) for s in graph.states)]


class TwoPipelines:
    """Both train steps of one network, fed alike, in this process. `run(steps)` gives the losses of each side."""

    def __init__(self, graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions = SHARED) -> None:
        self.graph, self.config, self.dtype = graph, config, dtype
        self.kind = np.float32 if dtype == "f32" else np.float64
        self.text = emit_train_step(graph, config, dtype, conventions)
        self.script = script_module(emit_jax_script(graph, config, dtype, conventions, command="test"))
        rng = np.random.default_rng(0)
        self.x = rng.random((config.batch_size, *graph.spec.input_shape)).astype(np.float32).astype(self.kind)
        self.labels = rng.integers(0, graph.spec.classes, config.batch_size).astype(np.int32)

    def phase2(self, steps: int, lr: float = 0.01) -> list[list[np.ndarray]]:
        """[loss, parameters…, gradient norms] after each step."""
        names = [p.name for p in self.graph.params]
        state = initial_state(self.graph, self.config, self.dtype)
        params = {n: jax.numpy.array(a) for n, a in zip(names, state, strict=False)}
        slots = {s: jax.tree.map(jax.numpy.zeros_like, params) for s in self.config.optimizer.slots}
        stats = {s.name: jax.numpy.zeros(s.shape, self.kind) for s in self.graph.states}
        rows = []
        for t in range(1, steps + 1):
            feed = (self.x, self.labels, self.kind(np.float32(lr)), self.kind(t))
            loss, params, slots, stats, grads = self.script.train_step(params, slots, stats, *feed)
            rows.append([np.asarray(v) for v in (loss, *(params[n] for n in names), self.script.norms(grads))])
        return rows

    def phase3(self, steps: int, lr: float = 0.01) -> list[list[np.ndarray]]:
        """As `phase2`."""
        compiled = compile_module(self.text, BACKENDS["cpu"].compile_flags(), self.graph.spec.name)
        device = Device("local-task", [compiled.path])
        state = [device.put(a) for a in initial_state(self.graph, self.config, self.dtype)]
        rows = []
        for t in range(1, steps + 1):
            feed = (self.x, self.labels, np.array(np.float32(lr), self.kind), np.array(t, self.kind))
            n = len(self.graph.params)
            loss, *results = device.call("train_step", [*state, *(device.put(a) for a in feed)])
            norms, _ = device.call("norms", [*results[-n:], *state[:n]])
            state = results[:-n]
            rows.append([device.get(v) for v in (loss, *state[:n], norms)])
        return rows


def layer_node(layer: Layer, in_shapes: tuple[Shape, ...]) -> Node:
    """A graph node for one layer alone."""
    inputs = tuple(f"x{i}" for i in range(len(in_shapes)))
    return Node("layer", "layer", layer, inputs, in_shapes, layer.out_shape(*in_shapes))


def jax_layer(node: Node) -> Any:
    """The JAX rule of a node as a function f(params, stats, *x, t=1.0) -> y; images NCHW."""
    j = JaxBuilder(SHARED)
    arguments = ", ".join(node.inputs)
    with j.source.block(f"def layer(params, stats, {arguments}, t=1.0):"):
        j.source.line("new_stats = {}")
        j.node = node
        xs = [Expr(name) for name in node.inputs]
        xs = [j.transpose(x, (0, 2, 3, 1)) if len(s) == 3 else x for x, s in zip(xs, node.in_shapes, strict=True)]
        y = j.let("y", jax_rule.of(type(node.layer))(node.layer, j, *xs))
        j.source.line(f"return {j.transpose(y, (0, 3, 1, 2)) if len(node.out_shape) == 3 else y}")
    head = "import jax, jax.numpy as jnp, numpy as np\nDTYPE = np.float64\n"
    return script_module(head + "\n".join([*j.functions, str(j.source)])).layer


def hlo_layer(node: Node, batch: int) -> str:
    """A module (params…, states…, x…, dy, t) -> y, dx…, dparams… from the StableHLO rules of a node; images NCHW."""
    h = HloBuilder("f64", SHARED)
    for tensor in (*node.layer.params(), *node.layer.states()):
        h.input(f"layer.{tensor.name}", tensor.shape)
    xs = [h.input(name, (batch, *shape)) for name, shape in zip(node.inputs, node.in_shapes, strict=True)]
    dy = h.input("dy", (batch, *node.out_shape))
    h.input("t", ())

    def turn(x: Value, order: Shape) -> Value:
        return h.transpose(x, order) if len(x.shape) == 4 else x

    with h.at(node, "layer"):
        y, saved = hlo_forward.of(type(node.layer))(node.layer, h, *(turn(x, (0, 2, 3, 1)) for x in xs))
        dxs = hlo_backward.of(type(node.layer))(node.layer, h, saved, turn(dy, (0, 2, 3, 1)))
    results = [turn(y, (0, 3, 1, 2)), *(turn(dx, (0, 3, 1, 2)) for dx in dxs)]
    results += [h.grads[f"layer.{p.name}"] for p in node.layer.params()]
    arguments = ", ".join(f"{v}: {v.type}" for v in h.inputs.values())
    types = ", ".join(v.type for v in results)
    body = "\n".join(line.text for line in h.body(results))
    returned = f"return {', '.join(map(str, results))} : {types}"
    return f"module {{ func.func @main({arguments}) -> ({types}) {{\n{body}\n{returned}\n}} }}"


def golden(name: str) -> Path:
    return Path(__file__).parent / "golden" / name
