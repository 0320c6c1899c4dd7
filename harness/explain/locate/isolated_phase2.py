"""The pieces of phase 2 in isolation: every rule as a function of its own, compiled by XLA."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from harness.emit.jax_builder import Expr, JaxBuilder
from harness.explain.locate.isolated import EmittedPieces, IsolatedLayer
from harness.run.inprocess import Array, Phase2, Tensors, script_module
from harness.spec.netspec import Conventions, DType
from harness.spec.rules import Rules

HEAD = """\
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_default_matmul_precision", "highest")  # no TF32
{x64}
DTYPE = np.{kind}


"""


class IsolatedPhase2(EmittedPieces):
    """The JAX rules of a network, emitted by the constructor and compiled when called."""

    def __init__(self, side: Phase2) -> None:
        super().__init__(side.graph, side.config, side.dtype, side.conventions)
        self._script = side.source
        made = side.dtype, side.conventions, side.rules
        self.sources = {layer: layer_source(layer, *made) for layer in self.layers.values()}
        self.loss_source = self._loss_source(side.rules)

    def program(self, kind: str, layer: IsolatedLayer | None, params: Sequence[str]) -> str:
        """A module with the function `layer`, `loss` or, in the whole script, `update`."""
        if kind == "update":
            return self._script
        return self.loss_source if layer is None else self.sources[layer]

    def forward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], t: int) -> Array:
        """The layer's function."""
        run = _compiled(self.sources[layer])["forward"]
        return np.asarray(run(params, self._stats(layer), xs, self.kind(t)))

    def backward(self, layer: IsolatedLayer, params: Tensors, xs: Sequence[Array], dy: Array, t: int) -> list[Array]:
        """JAX's derivative of the layer's function."""
        run = _compiled(self.sources[layer])["backward"]
        dparams, *dxs = run(params, self._stats(layer), xs, dy, self.kind(t))
        return [np.asarray(d) for d in (*dxs, *(dparams[name] for name in layer.params))]

    def loss(self, logits: Array, labels: Array) -> tuple[Array, Array]:
        """The function of the loss, and JAX's derivative of it."""
        value, dlogits = _compiled(self.loss_source)["loss"](logits, labels)
        return np.asarray(value), np.asarray(dlogits)

    def update(self, params: Tensors, slots: Tensors, grads: Tensors, rate: float, t: int) -> tuple[Tensors, Tensors]:
        """The script's `update`."""
        names = {slot: {name: f"{name}.{slot}" for name in params} for slot in self.config.optimizer.slots}
        nested = {slot: {name: slots[full] for name, full in full_names.items()} for slot, full_names in names.items()}
        new_params, new_slots = _update_of(self._script)(params, nested, grads, self.kind(rate), self.kind(t))
        flat = {full: np.asarray(new_slots[slot][name]) for slot in names for name, full in names[slot].items()}
        return {name: np.asarray(p) for name, p in new_params.items()}, flat

    def _stats(self, layer: IsolatedLayer) -> Tensors:
        return {f"layer.{s.name}": np.zeros(s.shape, self.kind) for s in layer.layer.states()}

    def _loss_source(self, rules: Rules) -> str:
        loss, j = self.graph.spec.loss, JaxBuilder(self.conventions)
        with j.source.block("def loss(logits, labels):"):
            rule = rules.jax_loss.of(type(loss))
            value = rule(loss, j, Expr("logits"), Expr("labels"), self.config.label_smoothing)
            j.source.line(f"return {value}")
        return head(self.dtype) + j.module()


def head(dtype: DType) -> str:
    """The first lines of a program in that dtype."""
    x64 = 'jax.config.update("jax_enable_x64", True)\n' if dtype == "f64" else ""
    return HEAD.format(x64=x64, kind="float32" if dtype == "f32" else "float64")


def layer_source(layer: IsolatedLayer, dtype: DType, conventions: Conventions, rules: Rules) -> str:
    """A program with the function `layer(params, stats, x1, …, t) -> y`, images NHWC."""
    node, j = layer.node, JaxBuilder(conventions)
    with j.source.block(f"def layer(params, stats, {', '.join(node.inputs)}, t):"):
        j.source.line(f'"""{type(layer.layer).__name__} in isolation."""')
        if layer.layer.states():
            j.source.line("new_stats = {}")
        j.node = node
        j.source.line(f"return {rules.jax.of(type(layer.layer))(layer.layer, j, *map(Expr, node.inputs))}")
    return head(dtype) + j.module()


@lru_cache(maxsize=1024)
def _compiled(source: str) -> dict[str, Callable[..., Any]]:
    """The jitted functions of a program; one that two networks share is compiled once."""
    module = script_module(source)
    if hasattr(module, "loss"):
        return {"loss": jax.jit(jax.value_and_grad(module.loss))}

    def forward(params: Any, stats: Any, xs: Any, t: Any) -> Any:
        return module.layer(params, stats, *xs, t)

    def backward(params: Any, stats: Any, xs: Any, dy: Any, t: Any) -> Any:
        _, vjp = jax.vjp(lambda params, *xs: module.layer(params, stats, *xs, t), params, *xs)
        return vjp(dy)

    return {"forward": jax.jit(forward), "backward": jax.jit(backward)}


@lru_cache(maxsize=32)
def _update_of(script: str) -> Callable[..., Any]:
    return jax.jit(script_module(script).update)
