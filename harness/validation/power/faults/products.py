"""Products with fewer digits in f32 alone, as a GPU computes them unless it is told not to: of a layer, or of all."""

from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.validation.power.fault import Fault
from harness.validation.power.faults.injecting import Injections, methods, ruled
from harness.validation.power.faults.precision import BF16, TF32, hlo_in, jax_in
from harness.validation.power.mutate import jax_gradient_as
from harness.validation.power.networks import NETWORKS

_KINDS = {"bfloat16": BF16, "TF32": TF32}
_CONVOLUTIONS = {
    "cnn": "conv2",
    "ties": "conv1",
    "residual": "residual1.b1.conv1",
    "mobile": "mbconv1.b1.project",
    "colour": "conv1",
}
_DENSE = {"mlp": "dense2", "attention": "encoder1.b1.mlp1"}
_HEADS = dict.fromkeys(("cnn", "ties", "residual", "attention", "mobile", "colour"), "dense1")
_LAYERS = {
    "convolution": _CONVOLUTIONS,
    "dense layer": _DENSE,
    "last layer": _HEADS,
    "attention": {"attention": "encoder1.b1.attention"},
}


def _products(mantissa: int) -> Injections:
    """Both operands of every product, on the way forward and back."""

    def jax(j: JaxBuilder, original: Any, a: Expr, b: Expr, *how: Any, **named: Any) -> Expr:
        value: Expr = original(jax_in("f32", j, a, mantissa), jax_in("f32", j, b, mantissa), *how, **named)
        return value

    def hlo(h: HloBuilder, original: Any, a: Value, b: Value, *how: Any, **named: Any) -> Value:
        value: Value = original(hlo_in("f32", h, a, mantissa), hlo_in("f32", h, b, mantissa), *how, **named)
        return value

    less = methods(dot=hlo, convolution=hlo)
    return ruled(methods(dot=jax, conv=jax), less, less)


def _cotangent(mantissa: int) -> Injections:
    """The cotangent of a layer alone."""

    def jax(rule: Any, layer: Any, j: JaxBuilder, *xs: Expr) -> Expr:
        less = str(jax_in("f32", j, Expr("dy"), mantissa))
        return jax_gradient_as(j, "wrong_cotangent", less, rule(layer, j, *xs))

    def backward(rule: Any, layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        return rule(layer, h, saved, hlo_in("f32", h, dy, mantissa))

    return ruled(jax, backward=backward)


def _fault(name: str, where: dict[str, str] | dict[str, None], injections: Injections) -> Fault:
    return Fault(name, "rounding in f32", "numerics", where, injections)


FAULTS = (
    *(
        _fault(f"{kind} products of {place}", where, _products(mantissa))
        for kind, mantissa in _KINDS.items()
        for place, where in _LAYERS.items()
    ),
    *(
        _fault(f"{kind} cotangent of {place}", where, _cotangent(mantissa))
        for kind, mantissa in _KINDS.items()
        for place, where in _LAYERS.items()
    ),
    *(
        _fault(f"{kind} products everywhere", dict.fromkeys(NETWORKS), _products(mantissa))
        for kind, mantissa in _KINDS.items()
    ),
)
