"""The test after training and the running statistics that are kept for it: no loss, gradient or update shows it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from harness.data.batches import Labels
from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.batch_norm import BatchNorm
from harness.nn.layers.dropout import Dropout
from harness.validation.power.fault import Fault, Injection, Wrap
from harness.validation.power.faults.injecting import Injections, everywhere, methods, ruled
from harness.validation.power.mutate import jax_expr

_NORMS = {"cnn": "conv1.bn", "residual": "residual1.b1.conv1.bn"}
_ALL = dict.fromkeys(("mlp", "cnn", "residual", "attention"))
_COUNTS = {"conv1.bn": 4 * 6 * 6, "residual1.b1.conv1.bn": 4 * 4 * 4}  # pixels of a batch
_BATCH_NORM = "gamma * (x - x.mean((0, 1, 2))) / jnp.sqrt(x.var((0, 1, 2)) + 1e-5) + beta"
_DROPPED = 64  # features of 256, a quarter as in training


def _tested(jax: Wrap, hlo: Wrap) -> Injections:
    return {"phase2": Injection(rules={"jax_eval": jax}), "phase3": Injection(rules={"hlo_eval": hlo})}


def _jax_by_batch(rule: Any, layer: BatchNorm, j: JaxBuilder, x: Expr) -> Expr:
    return jax_expr(j, "wrong_batch_norm", _BATCH_NORM, x=x, gamma=j.param("gamma"), beta=j.param("beta"))


def _hlo_by_batch(rule: Any, layer: BatchNorm, h: HloBuilder, x: Value) -> Value:
    count = x.shape[0] * x.shape[1] * x.shape[2]

    def everywhere(channels: Value) -> Value:
        return h.broadcast(channels, x.shape, (3,))

    centred = h.sub(x, everywhere(h.div(h.sum(x, (0, 1, 2)), count)))
    variance = h.div(h.sum(h.mul(centred, centred), (0, 1, 2)), count)
    xhat = h.div(centred, everywhere(h.sqrt(h.add(variance, 1e-5))))
    return h.add(h.mul(xhat, everywhere(h.param("gamma"))), everywhere(h.param("beta")))


def _unbiased_kept() -> Injections:
    """The running variance of n - 1, as it is kept; what it is updated from is brought to the same scale."""

    def wrap(rule: Any, layer: BatchNorm, builder: Any, x: Any) -> Any:
        count = _COUNTS[builder.node.name]
        factor = count / (count - 1)

        def state(b: Any, original: Any, name: str) -> Any:
            return b.div(original(name), factor) if name == "var" else original(name)

        def set_state(b: Any, original: Any, name: str, value: Any) -> None:
            original(name, b.mul(value, factor) if name == "var" else value)

        return methods(state=state, set_state=set_state)(rule, layer, builder, x)

    return ruled(wrap, wrap)


def _hlo_dropped(rule: Any, layer: Dropout, h: HloBuilder, x: Value) -> Value:
    kept = h.compare("GE", h.iota(x.shape, 1), _DROPPED)
    return h.select(kept, h.div(x, 1 - layer.rate), 0.0)


def _labels(change: Callable[[Labels], Labels]) -> Injections:
    return everywhere(Injection(feed=lambda feed: replace(feed, read_test=change)))


def _of_test(name: str, where: dict[str, str] | dict[str, None], injections: Injections) -> Fault:
    return Fault(name, "evaluation", "training", where, injections)


FAULTS = (
    _of_test("tested with the batch's statistics", _NORMS, _tested(_jax_by_batch, _hlo_by_batch)),
    Fault("running variance over n - 1", "running statistics", "forward", _NORMS, _unbiased_kept()),
    Fault(
        "running statistics with momentum 0.99",
        "running statistics",
        "forward",
        {"cnn": "conv1.bn"},
        ruled(
            methods(mul=lambda j, original, a, b: original(0.99 if a == 0.9 else a, b)),
            methods(mul=lambda h, original, a, b, name: original(a, 0.99 if b == 0.9 else b, name)),
        ),
    ),
    _of_test(
        "dropout in the test",
        {"colour": "dropout1"},
        _tested(
            lambda rule, layer, j, x: jax_expr(
                j, "dropped", f"jnp.where(jnp.arange({4 * _DROPPED}) < {_DROPPED}, 0, x / {1 - layer.rate})", x=x
            ),
            _hlo_dropped,
        ),
    ),
    _of_test(
        "scale of dropout in the test",
        {"colour": "dropout1"},
        _tested(lambda rule, layer, j, x: j.mul(x, 1 - layer.rate), lambda rule, layer, h, x: h.mul(x, 1 - layer.rate)),
    ),
    _of_test("test labels moved on", _ALL, _labels(lambda labels: (labels + 1) % 10)),
    _of_test(
        "test labels of the next image",
        _ALL,
        _labels(lambda labels: np.roll(labels, -1)),
    ),
)
