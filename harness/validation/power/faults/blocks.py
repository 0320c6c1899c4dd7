"""Pools, sums and attention."""

import dataclasses
import math
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.max_pool import MaxPool
from harness.spec.netspec import Conventions
from harness.validation.power.fault import Fault, Injection
from harness.validation.power.faults.injecting import methods, ruled
from harness.validation.power.mutate import MutatedBuilder, Nth, jax_expr, jax_with_gradients

_SUMS = {"residual": "residual1.b1.sum", "mobile": "mbconv1.b1.sum"}
_ATTENTION = {"attention": "encoder1.b1.attention"}
_POOL = {"ties": "pool1"}
_MAX = 'jax.lax.reduce_window({}, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")'
_ALL_TIES = (
    "(lambda up: jnp.where(x == up(f(x)), up(dy), 0))(lambda y: jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2))"
)


def _jax_all_ties(rule: Any, layer: MaxPool, j: JaxBuilder, x: Expr) -> Expr:
    return jax_with_gradients(j, "wrong_pool", _MAX.format("x"), _ALL_TIES, x=x)


def _jax_last_tie(rule: Any, layer: MaxPool, j: JaxBuilder, x: Expr) -> Expr:
    return jax_expr(j, "wrong_pool", _MAX.format("x[:, ::-1, ::-1]") + "[:, ::-1, ::-1]", x=x)


def _hlo_equality(rule: Any, layer: MaxPool, h: HloBuilder, x: Value) -> Any:
    """A mask of the taps that equal the maximum: values that the compiler may compute apart from each other."""
    taps: list[Value] = []

    def keep(_: HloBuilder, original: Any, *arguments: Any) -> Value:
        taps.append(original(*arguments))
        return taps[-1]

    y, saved = rule(layer, MutatedBuilder(h, slice=keep), x)
    return y, dataclasses.replace(saved, takes=tuple(h.compare("EQ", tap, y) for tap in taps))


def _hlo_scaled(scale: float) -> Any:
    def div(h: HloBuilder, original: Any, a: Value, b: Any, name: str) -> Value:
        value: Value = original(a, scale if name == "scores" else b, name)
        return value

    return methods(div=div)


def _jax_swapped_softmax(j: JaxBuilder, original: Any, x: Expr) -> Expr:
    return Expr(f"jax.nn.softmax({x}, axis=-2)")


def _hlo_over_queries(h: HloBuilder, original: Any, x: Value, axes: Any, name: str) -> Value:
    value: Value = original(x, (1,) if name in ("greatest", "total") else axes, name)
    return value


def _hlo_along_queries(h: HloBuilder, original: Any, x: Value, shape: Any, axes: Any, name: str) -> Value:
    value: Value = original(x, shape, (0, 2) if name in ("greatest_row", "total_row") else axes, name)
    return value


def _jax_product(j: JaxBuilder, original: Any, a: Expr, b: Expr) -> Expr:
    return jax_with_gradients(j, "product", "a @ b", "dy @ b.swapaxes(-1, -2), a @ dy", a=a, b=b)


def _hlo_interleaved(h: HloBuilder, original: Any, x: Value, shape: Any, name: str) -> Value:
    if name not in ("q_apart", "k_apart", "v_apart"):
        value: Value = original(x, shape, name)
        return value
    n, tokens, heads, width = shape
    return h.transpose(original(x, (n, tokens, width, heads)), (0, 1, 3, 2))


FAULTS = (
    Fault(
        "every tied maximum gets the gradient",
        "tied maxima",
        "backward",
        _POOL,
        {
            "phase2": ruled(_jax_all_ties)["phase2"],
            "phase3": Injection(conventions=Conventions(pool_ties="all")),
        },
    ),
    Fault(
        "the last tied maximum gets the gradient",
        "tied maxima",
        "backward",
        _POOL,
        ruled(
            _jax_last_tie,
            methods(compare=lambda h, original, way, *rest: original("GE" if way == "GT" else way, *rest)),
        ),
    ),
    Fault(
        "maximum found by equality",
        "recomputed values",
        "backward",
        {"ties": "pool1", "cnn": "pool1"},
        ruled(forward=_hlo_equality),
    ),
    Fault(
        "mean over n - 1 pixels",
        "mean over n - 1",
        "forward",
        {"residual": "gap1", "mobile": "gap1"},
        ruled(
            methods(
                mean=lambda j, original, x, axis: Expr(
                    f"(jnp.sum({x}, axis={axis}) / ({x}.shape[1] * {x}.shape[2] - 1))"
                )
            ),
            methods(div=lambda h, original, a, b, name: original(a, b - 1, name)),
        ),
    ),
    Fault(
        "skip not added",
        "skip gradient",
        "forward",
        _SUMS,
        ruled(lambda rule, layer, j, a, b: a, lambda rule, layer, h, a, b: (a, None)),
    ),
    Fault(
        "scores not scaled",
        "attention",
        "forward",
        _ATTENTION,
        ruled(methods(div=lambda j, original, a, b: a), _hlo_scaled(1.0)),
    ),
    Fault(
        "scores divided by d",
        "attention",
        "forward",
        _ATTENTION,
        ruled(methods(power=lambda j, original, base, exponent: base), _hlo_scaled(8.0)),
    ),
    Fault(
        "scores scaled with six decimals",
        "printed constant",
        "forward",
        _ATTENTION,
        ruled(
            methods(div=lambda j, original, a, b: original(a, round(math.sqrt(8), 6))),
            _hlo_scaled(round(math.sqrt(8), 6)),
        ),
    ),
    Fault(
        "softmax over the queries",
        "softmax axis",
        "forward",
        _ATTENTION,
        ruled(
            methods(softmax=_jax_swapped_softmax),
            methods(max=_hlo_over_queries, sum=_hlo_over_queries, broadcast=_hlo_along_queries),
        ),
    ),
    Fault(
        "softmax gradient without its mean",
        "attention",
        "backward",
        _ATTENTION,
        ruled(
            methods(
                softmax=lambda j, original, x: jax_with_gradients(
                    j, "softmax", "jax.nn.softmax(x)", "dy * jax.nn.softmax(x)", x=x
                )
            ),
            backward=methods(sub=lambda h, original, a, b, name: a if name == "dp_less" else original(a, b, name)),
        ),
    ),
    Fault(
        "value gradient by untransposed weights",
        "transposed weight",
        "backward",
        _ATTENTION,
        ruled(
            methods(dot=Nth(_jax_product, 2)),
            backward=methods(
                dot=lambda h, original, a, b, contract, batch, name: original(
                    a, b, ((2,), (1,)) if name == "dv_heads" else contract, batch, name
                )
            ),
        ),
    ),
    Fault(
        "heads interleaved",
        "attention",
        "forward",
        _ATTENTION,
        ruled(
            methods(
                split_last=lambda j, original, x, parts: Expr(
                    f"{x}.reshape(*{x}.shape[:-1], -1, {parts}).swapaxes(-1, -2)"
                )
            ),
            methods(reshape=_hlo_interleaved),
        ),
    ),
)
