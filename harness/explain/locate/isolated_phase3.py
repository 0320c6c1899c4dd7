"""The pieces of phase 3 in isolation: every rule as a function of its own, compiled by IREE."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.update import update_function
from harness.explain.locate.isolated import EmittedPieces, IsolatedLayer
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.inprocess import Array, Phase3, Tensors
from harness.run.iree_device import Device
from harness.spec.netspec import Conventions, DType, Param, TrainConfig, arithmetic_of
from harness.spec.rules import Rules
from harness.spec.shapes import Graph, inner

Function = tuple[HloBuilder, list[Value]]
# Functions that are loaded, by text: one that two networks or two sides share is compiled once.
_LOADED: dict[str, Device] = {}


class IsolatedPhase3(EmittedPieces):
    """The StableHLO rules of a network, emitted by the constructor; what is not loaded yet is compiled as one module.

    Raises: RuleError for a missing rule.
    """

    def __init__(self, side: Phase3) -> None:
        super().__init__(side.graph, side.config, side.dtype, side.conventions)
        batch, made = side.config.batch_size, (side.dtype, side.conventions, side.rules)
        self._kinds = {p.name: replace(p, name="p", init="zeros", fan_in=1) for p in side.graph.params}
        self.texts: dict[tuple[str, object], str] = {}
        for layer in dict.fromkeys(self.layers.values()):
            self.texts["forward", layer] = function_text(layer_forward(layer, batch, *made))
            self.texts["backward", layer] = function_text(layer_backward(layer, batch, *made))
        self.texts["loss", None] = function_text(isolated_loss(side.graph, side.config, *made))
        for kind in dict.fromkeys(self._kinds.values()):
            some = replace(side.graph, params=(kind,))
            self.texts["update", kind] = function_text(update_function(some, side.config, *made))

    def program(self, kind: str, layer: IsolatedLayer | None, params: Sequence[str]) -> str:
        """A module with the function `main`."""
        of = self._kinds[params[0]] if kind == "update" else layer
        return f"module @piece {{\n{self.texts[kind, of]}}}\n"

    def forward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """The function of the layer's forward rule."""
        (y,) = self._call("forward", layer, [*self._tensors(layer, params), *xs, self._scalar(t)])
        return y

    def backward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """The function of the layer's backward rule, after the forward rule that it needs."""
        return self._call("backward", layer, [*self._tensors(layer, params), *xs, self._scalar(t), dy])

    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The function of the loss."""
        value, dlogits = self._call("loss", None, [logits, labels])
        return value, dlogits

    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """The end of the training step, one parameter after the other."""
        new_params: Tensors = {}
        new_slots: Tensors = {}
        for name, p in params.items():
            names = [f"{name}.{slot}" for slot in self.config.optimizer.slots]
            arguments = [p, *(slots[slot] for slot in names), grads[name], self._scalar(rate), self._scalar(t)]
            new_params[name], *new = self._call("update", self._kinds[name], arguments)
            new_slots |= dict(zip(names, new, strict=True))
        return new_params, new_slots

    def _tensors(self, layer: IsolatedLayer, params: Tensors) -> list[Array]:
        return [*(params[name] for name in layer.params), *(np.zeros(s.shape, self.kind) for s in layer.layer.states())]

    def _scalar(self, value: float) -> Array:
        return np.array(value, self.kind)

    def _call(self, what: str, of: IsolatedLayer | Param | None, arguments: Sequence[Array]) -> list[Array]:
        text = self.texts[what, of]
        if text not in _LOADED:
            self._load()
        device = _LOADED[text]
        results = device.call(function_name(text), [device.put(argument) for argument in arguments])
        return [device.get(result) for result in results]

    def _load(self) -> None:
        """Compile what is not loaded yet; a function that two layers share once."""
        texts = [text for text in dict.fromkeys(self.texts.values()) if text not in _LOADED]
        backend = BACKENDS["cpu"]
        functions = "\n".join(text.replace("@main(", f"@{function_name(text)}(", 1) for text in texts)
        name = f"{self.graph.spec.name}, its layers in isolation"
        module = compile_module(f"module @isolated {{\n{functions}}}\n", backend.compile_flags(), name)
        device = Device(backend.hal_device, [module.path])
        _LOADED.update(dict.fromkeys(texts, device))


def function_name(text: str) -> str:
    """A name that no other function has."""
    return f"f{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def function_text(function: Function) -> str:
    """The text of a function `main`."""
    h, results = function
    arguments = ", ".join(f"{value}: {value.type}" for value in h.inputs.values())
    types = ", ".join(value.type for value in results)
    body = "".join(f"    {line.text}\n" for line in h.body(results))
    returned = f"    return {', '.join(map(str, results))} : {types}\n"
    return f"  func.func @main({arguments}) -> ({types}) {{\n{body}{returned}  }}\n"


def _builder(layer: IsolatedLayer, batch: int, dtype: DType, conventions: Conventions) -> HloBuilder:
    h = HloBuilder(arithmetic_of(dtype), conventions)
    h.input_params(replace(param, name=f"layer.{param.name}") for param in layer.layer.params())
    for state in layer.layer.states():
        h.input(f"layer.{state.name}", state.shape)
    for name, shape in zip(layer.node.inputs, layer.in_shapes, strict=True):
        h.input(name, inner(batch, shape))
    h.input("t", ())
    return h


def layer_forward(layer: IsolatedLayer, batch: int, dtype: DType, conventions: Conventions, rules: Rules) -> Function:
    """Parameters, statistics, x…, t -> y; images NHWC."""
    h = _builder(layer, batch, dtype, conventions)
    with h.at(layer.node, "layer"):
        y, _ = rules.hlo_forward.of(type(layer.layer))(layer.layer, h, *(h.inputs[x] for x in layer.node.inputs))
    return h, [y]


def layer_backward(layer: IsolatedLayer, batch: int, dtype: DType, conventions: Conventions, rules: Rules) -> Function:
    """Parameters, statistics, x…, t, dy -> dx…, then the gradients of the parameters; images NHWC."""
    h = _builder(layer, batch, dtype, conventions)
    dy = h.input("dy", inner(batch, layer.out_shape))
    with h.at(layer.node, "layer"):
        _, saved = rules.hlo_forward.of(type(layer.layer))(layer.layer, h, *(h.inputs[x] for x in layer.node.inputs))
    with h.at(layer.node, "layer", "backward"):
        dxs = rules.hlo_backward.of(type(layer.layer))(layer.layer, h, saved, dy)
    return h, [*dxs, *(h.grads[name] for name in layer.params)]


def isolated_loss(graph: Graph, config: TrainConfig, dtype: DType, conventions: Conventions, rules: Rules) -> Function:
    """Logits, labels -> the loss and its gradient w.r.t. the logits."""
    h = HloBuilder(arithmetic_of(dtype), conventions)
    logits = h.input("logits", (config.batch_size, graph.spec.classes))
    labels = h.input("labels", (config.batch_size,), "i32")
    with h.at(None, "loss"):
        rule = rules.hlo_loss.of(type(graph.spec.loss))
        return h, [*rule(graph.spec.loss, h, logits, labels, config.label_smoothing)]
