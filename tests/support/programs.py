"""Runs emitted programs inside the test process, and layers alone: JAX rules as functions, StableHLO through IREE."""

from dataclasses import replace
from typing import Any

import numpy as np

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import SHARED, Batch, Step, script_module
from harness.run.iree_device import Device
from harness.spec.netspec import Conventions, DType, Layer, Shape, TrainConfig
from harness.spec.shapes import Graph, Node
from harness.validation.oracle.side_by_side import SideBySide


def iree_call(text: str, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """Compile a module for the CPU and call its function `main`."""
    compiled = compile_module(text, BACKENDS["cpu"].compile_flags(), "test module")
    device = Device("local-task", [compiled.path])
    return [device.get(view) for view in device.call("main", [device.put(a) for a in arguments])]


def drawn(graph: Graph, config: TrainConfig, dtype: DType = "f64", steps: int = 3) -> tuple[list[Batch], int]:
    """One drawn batch for all steps, and the steps of an epoch: what either side of SideBySide is fed."""
    rng = np.random.default_rng(0)
    x = rng.random((config.batch_size, *graph.spec.input_shape)).astype(np.float32)
    labels = rng.integers(0, graph.spec.classes, config.batch_size).astype(np.int32)
    return [Batch(x.astype(np.float32 if dtype == "f32" else np.float64), labels)] * steps, 100


def worst_difference(a: list[Step], b: list[Step]) -> float:
    """Over steps and tensors, losses included, each relative to the tensor's largest element or 1e-3."""
    worst = 0.0
    for x, y in zip(a, b, strict=True):
        pairs = [(np.array(x.loss), np.array(y.loss))]
        pairs += [(u[name], v[name]) for u, v in ((x.grads, y.grads), (x.params, y.params)) for name in v]
        worst = max(worst, *(float(np.abs(u - v).max() / max(np.abs(v).max(), 1e-3)) for u, v in pairs))
    return worst


def difference(both: SideBySide, steps: int = 3) -> float:
    """Differences of the two programs on drawn batches."""
    fed = drawn(both.graph, both.config, both.dtype, steps)
    return worst_difference(both.phase3(*fed), both.phase2(*fed))


def layer_node(layer: Layer, in_shapes: tuple[Shape, ...]) -> Node:
    """A graph node for one layer alone."""
    inputs = tuple(f"x{i}" for i in range(len(in_shapes)))
    return Node("layer", "layer", layer, inputs, in_shapes, layer.out_shape(*in_shapes))


def jax_layer(node: Node, conventions: Conventions = SHARED) -> Any:
    """The JAX rule of a node as a function f(params, stats, *x, t=1.0) -> y; images NCHW."""
    j = JaxBuilder(conventions)
    arguments = ", ".join(node.inputs)
    with j.source.block(f"def layer(params, stats, {arguments}, t=1.0):"):
        j.source.line("new_stats = {}")
        j.node = node
        xs = [Expr(name) for name in node.inputs]
        xs = [j.transpose(x, (0, 2, 3, 1)) if len(s) == 3 else x for x, s in zip(xs, node.in_shapes, strict=True)]
        y = j.let("y", registered_rules().jax.of(type(node.layer))(node.layer, j, *xs))
        j.source.line(f"return {j.transpose(y, (0, 3, 1, 2)) if len(node.out_shape) == 3 else y}")
    head = "import jax, jax.numpy as jnp, numpy as np\nDTYPE = np.float64\n"
    return script_module(head + j.module()).layer


def hlo_layer(node: Node, batch: int, conventions: Conventions = SHARED) -> str:
    """A module (params…, states…, x…, dy, t) -> y, dx…, dparams… from the StableHLO rules of a node; images NCHW."""
    h = HloBuilder("f64", conventions)
    h.input_params(replace(param, name=f"layer.{param.name}") for param in node.layer.params())
    for state in node.layer.states():
        h.input(f"layer.{state.name}", state.shape)
    xs = [h.input(name, (batch, *shape)) for name, shape in zip(node.inputs, node.in_shapes, strict=True)]
    dy = h.input("dy", (batch, *node.out_shape))
    h.input("t", ())

    def turn(x: Value, order: Shape) -> Value:
        return h.transpose(x, order) if len(x.shape) == 4 else x

    rules = registered_rules()
    with h.at(node, "layer"):
        y, saved = rules.hlo_forward.of(type(node.layer))(node.layer, h, *(turn(x, (0, 2, 3, 1)) for x in xs))
        dxs = rules.hlo_backward.of(type(node.layer))(node.layer, h, saved, turn(dy, (0, 2, 3, 1)))
    results = [turn(y, (0, 3, 1, 2)), *(turn(dx, (0, 3, 1, 2)) for dx in dxs)]
    results += [h.grads[f"layer.{p.name}"] for p in node.layer.params()]
    arguments = ", ".join(f"{v}: {v.type}" for v in h.inputs.values())
    types = ", ".join(v.type for v in results)
    body = "\n".join(line.text for line in h.body(results))
    returned = f"return {', '.join(map(str, results))} : {types}"
    return f"module {{ func.func @main({arguments}) -> ({types}) {{\n{body}\n{returned}\n}} }}"
