"""Layers that are computed with fewer digits: in both precisions, in f32 alone, or in f64 as if it were f32."""

from typing import Any, Literal

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import Injections, ruled
from harness.validation.power.mutate import MutatedBuilder, hlo_reduced, jax_reduced

Where = Literal["f32", "f64", "both"]
_LAYERS = {"mlp": "dense2", "cnn": "conv2", "attention": "encoder1.b1.mlp1"}
_SOME = {name: _LAYERS[name] for name in ("mlp", "cnn")}
BF16, TF32, F32 = 7, 10, 23  # bits of their mantissas; all have eight of exponent


def jax_in(where: Where, j: JaxBuilder, x: Expr, mantissa: int) -> Expr:
    """x with fewer bits where the script's precision is that one."""
    if where == "both":
        return jax_reduced(j, x, mantissa)
    kind = {"f32": "float32", "f64": "float64"}[where]
    return Expr(f"({jax_reduced(j, x, mantissa)} if {x}.dtype == jnp.{kind} else {x})")


def hlo_in(where: Where, h: HloBuilder, x: Value, mantissa: int) -> Value:
    """The same of a module."""
    return hlo_reduced(h, x, mantissa) if where in ("both", h.dtype) else x


def _operands(where: Where, mantissa: int) -> Injections:
    """The factors of a layer's product on the way forward; autodiff rounds those on the way back as well."""

    def jax(rule: Any, layer: Any, j: JaxBuilder, x: Expr) -> Expr:
        less = MutatedBuilder(j, param=lambda _, original, name: jax_in(where, j, original(name), mantissa))
        y: Expr = rule(layer, less, jax_in(where, j, x, mantissa))
        return y

    def forward(rule: Any, layer: Any, h: HloBuilder, x: Value) -> Any:
        less = MutatedBuilder(h, param=lambda _, original, name: hlo_in(where, h, original(name), mantissa))
        return rule(layer, less, hlo_in(where, h, x, mantissa))

    return ruled(jax, forward)


def _result(where: Where, mantissa: int) -> Injections:
    def jax(rule: Any, layer: Any, j: JaxBuilder, x: Expr) -> Expr:
        return jax_in(where, j, j.let(j.local("whole"), rule(layer, j, x)), mantissa)

    def forward(rule: Any, layer: Any, h: HloBuilder, x: Value) -> Any:
        y, saved = rule(layer, h, x)
        return hlo_in(where, h, y, mantissa), saved

    return ruled(jax, forward)


def _weight_gradient(where: Where, mantissa: int) -> Injections:
    def backward(rule: Any, layer: Any, h: HloBuilder, saved: Any, dy: Value) -> Any:
        def grad(_: HloBuilder, original: Any, name: str, value: Value) -> None:
            original(name, hlo_in(where, h, value, mantissa))

        return rule(layer, MutatedBuilder(h, grad=grad), saved, dy)

    return ruled(backward=backward)


def _logits(where: Where, mantissa: int) -> Injections:
    def jax(rule: Any, loss: Any, j: JaxBuilder, z: Expr, *rest: Any) -> Expr:
        value: Expr = rule(loss, j, jax_in(where, j, z, mantissa), *rest)
        return value

    def hlo(rule: Any, loss: Any, h: HloBuilder, z: Value, *rest: Any) -> Any:
        return rule(loss, h, hlo_in(where, h, z, mantissa), *rest)

    return {"phase2": Injection(rules={"jax_loss": jax}), "phase3": Injection(rules={"hlo_loss": hlo})}


FAULTS = (
    Fault("bfloat16 operands", "rounding of a layer", "forward", _LAYERS, _operands("both", BF16)),
    Fault("TF32 operands", "rounding of a layer", "forward", _SOME, _operands("both", TF32)),
    Fault("bfloat16 operands in f32 only", "rounding in f32", "numerics", _SOME, _operands("f32", BF16)),
    Fault("TF32 operands in f32 only", "rounding in f32", "numerics", _LAYERS, _operands("f32", TF32)),
    Fault("bfloat16 result in f32 only", "rounding in f32", "numerics", _SOME, _result("f32", BF16)),
    Fault("bfloat16 weight gradient in f32 only", "rounding in f32", "numerics", _SOME, _weight_gradient("f32", BF16)),
    Fault("half-precision logits", "rounding of a layer", "forward", dict.fromkeys(_SOME), _logits("both", TF32)),
    Fault("a layer of f64 in f32", "demoted layer", "forward", _SOME, _operands("f64", F32)),
)
