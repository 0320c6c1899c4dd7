"""Normalisations: the wrong mean, the wrong variance, and gradients that forget one of them."""

from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.batch_norm import EPSILON, BatchNorm
from harness.nn.layers.instance_norm import (
    InstanceNorm,
    hlo_instance_norm,
    hlo_instance_norm_backward,
    jax_instance_norm,
)
from harness.spec.netspec import Conventions
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import Injections, input_gradient, methods, ruled
from harness.validation.power.mutate import Nth

_BATCH = {"cnn": "conv1.bn", "residual": "residual1.b1.conv1.bn"}
_LAYER = {"attention": "encoder1.b1.ln2"}
_INSTANCE = {"mobile": "in1"}
_ANY = {"cnn": "conv1.bn", **_LAYER, **_INSTANCE}
_CNN_COUNT = 4 * 6 * 6  # pixels of a batch behind the first convolution


def _jax_unbiased(j: JaxBuilder, original: Any, x: Expr, axis: Any, **named: Any) -> Expr:
    count = f"({x}.size // {original(x, axis, keepdims=True)}.size)"
    return Expr(f"({original(x, axis, **named)} * {count} / ({count} - 1))")


def _hlo_unbiased(h: HloBuilder, original: Any, a: Any, b: Any, name: str) -> Value:
    value: Value = original(a, b - 1 if name == "var" else b, name)
    return value


def _epsilon(value: float) -> Any:
    """The rule with another epsilon."""

    def add(builder: Any, original: Any, a: Any, b: Any, *name: str) -> Any:
        return original(a, value if b == EPSILON else b, *name)

    return methods(add=add)


def _outside(builder: Any, original: Any, a: Any, b: Any, *name: str) -> Any:
    return a if b == EPSILON else original(a, b, *name)


_EPSILON_OUTSIDE = methods(
    add=_outside, sqrt=lambda builder, original, x, *name: builder.sub(original(x), -EPSILON, *name)
)


def _as_instance_norm() -> Injections:
    """Statistics of each image where the batch's are meant."""

    def facts(layer: BatchNorm) -> InstanceNorm:
        return InstanceNorm(layer.channels)

    def jax(rule: Any, layer: BatchNorm, j: JaxBuilder, x: Expr) -> Expr:
        rule(layer, j, x)  # for the running statistics
        return jax_instance_norm(facts(layer), j, x)

    def forward(rule: Any, layer: BatchNorm, h: HloBuilder, x: Value) -> Any:
        rule(layer, h, x)
        return hlo_instance_norm(facts(layer), h, x)

    def backward(rule: Any, layer: BatchNorm, h: HloBuilder, saved: Any, dy: Value) -> Any:
        return hlo_instance_norm_backward(facts(layer), h, saved, dy)

    return ruled(jax, forward, backward)


FAULTS = (
    Fault(
        "variance over n - 1",
        "mean over n - 1",
        "forward",
        _ANY,
        ruled(methods(mean=Nth(_jax_unbiased, 2)), methods(div=_hlo_unbiased)),
    ),
    Fault("instance norm for batch norm", "instance norm", "forward", _BATCH, _as_instance_norm()),
    Fault("epsilon of 1e-3", "epsilon", "forward", _BATCH, ruled(_epsilon(1e-3), _epsilon(1e-3))),
    Fault("epsilon of 1e-6", "epsilon", "forward", _LAYER, ruled(_epsilon(1e-6), _epsilon(1e-6))),
    Fault("epsilon outside the root", "epsilon", "forward", _ANY, ruled(_EPSILON_OUTSIDE, _EPSILON_OUTSIDE)),
    Fault(
        "mean and variance taken for constants",
        "lost gradient",
        "backward",
        _ANY,
        ruled(
            methods(mean=lambda j, original, *x, **named: Expr(f"jax.lax.stop_gradient({original(*x, **named)})")),
            backward=methods(
                sub=lambda h, original, a, b, name: a if name in ("less_mean", "less_var") else original(a, b, name)
            ),
        ),
    ),
    Fault(
        "1/N with six decimals",
        "printed constant",
        "backward",
        {"cnn": "conv1.bn"},
        {
            "phase2": input_gradient(0, f"dy * {round(1 / _CNN_COUNT, 6) * _CNN_COUNT!r}", lambda h, dx: dx)["phase2"],
            "phase3": Injection(conventions=Conventions(batch_norm_inverse_count="six-decimals")),
        },
    ),
)
