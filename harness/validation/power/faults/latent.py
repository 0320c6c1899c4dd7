"""Latent faults: the formulas agree on the numbers of these runs, or nearly, and would not on others."""

from typing import Any

import jax
import jax.numpy as jnp

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.batch_norm import EPSILON
from harness.run.inprocess import Phase2, Side
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import Injections, methods, ruled
from harness.validation.power.mutate import MutatedBuilder, Nth

_ADAM = dict.fromkeys(("mlp", "ties", "attention"))
_ALL = dict.fromkeys(("mlp", "cnn", "residual", "attention"))
_NORMS = {"cnn": "conv1.bn", "residual": "residual1.b1.conv1.bn", "attention": "encoder1.b1.ln2", "mobile": "in1"}


def _hlo_zero(h: HloBuilder, original: Any, x: Value, axes: Any, name: str) -> Value:
    return h.mul(original(x, axes, name), 0.0)


def _jax_bare_softmax(j: JaxBuilder, original: Any, x: Expr) -> Expr:
    return Expr(f"(jnp.exp({x}) / jnp.sum(jnp.exp({x}), axis=-1, keepdims=True))")


def _jax_bare_log_softmax(j: JaxBuilder, original: Any, x: Expr) -> Expr:
    return Expr(f"({x} - jnp.log(jnp.sum(jnp.exp({x}), axis=-1, keepdims=True)))")


def _bare_loss() -> Injections:
    """log softmax of the logits as they are, whose exponentials overflow from 89 on."""

    def jax_loss(rule: Any, loss: Any, j: JaxBuilder, *values: Any) -> Any:
        return rule(loss, MutatedBuilder(j, log_softmax=_jax_bare_log_softmax), *values)

    def hlo_loss(rule: Any, loss: Any, h: HloBuilder, *values: Any) -> Any:
        return rule(loss, MutatedBuilder(h, max=_hlo_zero), *values)

    return {"phase2": Injection(rules={"jax_loss": jax_loss}), "phase3": Injection(rules={"hlo_loss": hlo_loss})}


def _jax_one_pass(j: JaxBuilder, original: Any, x: Expr, axis: Any, **named: Any) -> Expr:
    mean = original(Expr("x"), axis, **named)
    return Expr(f"({original(Expr('jnp.square(x)'), axis, **named)} - jnp.square({mean}))")


def _hlo_one_pass(rule: Any, layer: Any, h: HloBuilder, x: Value) -> Any:
    kept: dict[str, Value] = {}

    def sub(b: HloBuilder, original: Any, x: Value, y: Value, name: str) -> Any:
        if name == "centred":
            kept["x"] = x
        return original(x, y, name)

    def mul(b: HloBuilder, original: Any, x: Value, y: Any, name: str) -> Any:
        return original(kept["x"], kept["x"], name) if name == "squares" else original(x, y, name)

    def div(b: HloBuilder, original: Any, x: Any, y: Any, name: str) -> Any:
        value = original(x, y, name)
        if name == "mean":
            kept["mean"] = value
        return h.sub(value, h.mul(kept["mean"], kept["mean"])) if name == "var" else value

    return methods(sub=sub, mul=mul, div=div)(rule, layer, h, x)


def _clipped(most: float) -> Injections:
    """Gradients scaled down to a norm of all of them, where theirs is above it."""

    def made(side: Side) -> None:
        assert isinstance(side, Phase2)
        update = side.script.update

        def clipped(params: Any, slots: Any, grads: Any, *rest: Any) -> Any:
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in grads.values()))
            factor = jnp.minimum(1, most / norm)
            return update(params, slots, jax.tree.map(lambda g: g * factor, grads), *rest)

        vars(side.script)["update"] = clipped

    return {"phase2": Injection(made=made)}


def _epsilon(old: float, new: float) -> Any:
    def add(builder: Any, original: Any, a: Any, b: Any, *name: str) -> Any:
        return original(a, new if b == old else b, *name)

    return methods(add=add)


def _adam_epsilon(new: float) -> Injections:
    def wrap(rule: Any, optimizer: Any, builder: Any, *values: Any) -> Any:
        return _epsilon(optimizer.epsilon, new)(rule, optimizer, builder, *values)

    return {"phase2": Injection(rules={"jax_optimizer": wrap}), "phase3": Injection(rules={"hlo_optimizer": wrap})}


FAULTS = (
    Fault("log softmax of bare logits", "no maximum", "numerics", _ALL, _bare_loss()),
    Fault(
        "softmax of bare scores",
        "no maximum",
        "numerics",
        {"attention": "encoder1.b1.attention"},
        ruled(methods(softmax=_jax_bare_softmax), methods(max=_hlo_zero)),
    ),
    Fault(
        "variance in one pass",
        "cancellation",
        "numerics",
        _NORMS,
        ruled(methods(mean=Nth(_jax_one_pass, 2)), _hlo_one_pass),
    ),
    Fault(
        "clip that is never reached",
        "clip",
        "optimizer",
        {"mlp": None},
        _clipped(100.0),
        silent="no gradient of these steps is above its limit",
    ),
    # Past the steps that run in f64.
    Fault("clip that is reached in step 5", "clip", "optimizer", {"ties": None}, _clipped(1.7)),
    Fault("clip that is reached in step 2", "clip", "optimizer", {"attention": None}, _clipped(7.0)),
    Fault(
        "Adam epsilon of 1e-9", "epsilon", "optimizer", dict.fromkeys(("mlp", "ties", "attention")), _adam_epsilon(1e-9)
    ),
    Fault(
        "epsilon of 1.1e-5",
        "epsilon",
        "forward",
        _NORMS,
        ruled(_epsilon(EPSILON, 1.1e-5), _epsilon(EPSILON, 1.1e-5)),
    ),
)
