"""Activations: wrong values, and slopes that forget a term."""

import math
from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr
from harness.validation.power.fault import Fault
from harness.validation.power.faults.injecting import methods, ruled
from harness.validation.power.mutate import jax_expr, jax_with_gradients

_RELUS = {"mlp": "dense1.relu", "cnn": "conv2.relu"}
_GELUS = {"mlp": "dense3.gelu", "attention": "encoder1.b1.mlp1.gelu"}
_SWISHES = {"mlp": "dense2.swish", "mobile": "mbconv1.b1.dw.swish"}
_SLOPE = "0.5 * (1 + jnp.tanh(u(x))) + 0.5 * x * (1 - jnp.tanh(u(x)) ** 2) * 0.7978845608028654 * (1 + 0.044715 * x**2)"


def _jax(name: str, expression: str, cotangent: str = "") -> Any:
    """An activation as an expression in x; with its gradient as another, in x and dy."""

    def wrap(rule: Any, layer: Any, j: Any, x: Expr) -> Expr:
        if cotangent:
            return jax_with_gradients(j, f"wrong_{name}", expression, cotangent, x=x)
        return jax_expr(j, f"wrong_{name}", expression, x=x)

    return wrap


def _exact_gelu(rule: Any, layer: Any, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    """x Φ(x), the normal distribution by Abramowitz and Stegun 7.1.26, which is good to 1.5e-7."""
    size = h.mul(h.maximum(x, h.negate(x)), 1 / math.sqrt(2))
    s = h.div(1.0, h.add(h.mul(size, 0.3275911), 1.0))
    series = h.mul(s, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = h.mul(h.add(series, factor), s)
    tail = h.mul(h.mul(series, h.exp(h.negate(h.mul(size, size)))), 0.5)
    return h.mul(x, h.select(h.compare("GT", x, 0.0), h.sub(1.0, tail), tail)), x


def _hard_swish(rule: Any, layer: Any, h: HloBuilder, x: Value) -> tuple[Value, Value]:
    line = h.minimum(h.maximum(h.add(x, 3.0), 0.0), 6.0)
    return h.mul(x, h.div(line, 6.0)), x


FAULTS = (
    Fault(
        "ReLU mask lost",
        "lost gradient",
        "backward",
        _RELUS,
        ruled(_jax("relu", "jax.nn.relu(x)", "dy"), backward=lambda rule, layer, h, y, dy: (dy,)),
    ),
    # Only the blank image has units there, those of the first layer.
    Fault(
        "ReLU derivative at zero",
        "activation",
        "backward",
        {"mlp": "dense1.relu"},
        ruled(
            _jax("relu", "jnp.maximum(x, 0)"),
            backward=methods(compare=lambda h, original, way, *rest: original("GE", *rest)),
        ),
    ),
    Fault(
        "ReLU that leaks",
        "activation",
        "forward",
        _RELUS,
        ruled(
            _jax("relu", "jax.nn.leaky_relu(x, 0.01)"),
            methods(maximum=lambda h, original, x, zero, *rest: original(x, h.mul(x, 0.01), *rest)),
        ),
    ),
    Fault(
        "swish without the product rule",
        "activation",
        "backward",
        _SWISHES,
        ruled(
            _jax("swish", "jax.nn.silu(x)", "dy * jax.nn.sigmoid(x)"),
            backward=lambda rule, layer, h, x, dy: (h.mul(dy, h.logistic(x)),),
        ),
    ),
    Fault(
        "hard swish for swish",
        "activation",
        "forward",
        _SWISHES,
        ruled(_jax("swish", "jax.nn.hard_swish(x)"), _hard_swish),
    ),
    Fault(
        "exact GELU for its tanh form",
        "activation",
        "forward",
        _GELUS,
        ruled(_jax("gelu", "jax.nn.gelu(x, approximate=False)"), _exact_gelu),
    ),
    Fault(
        "GELU slope without the 3",
        "activation",
        "backward",
        _GELUS,
        ruled(
            _jax(
                "gelu",
                "jax.nn.gelu(x, approximate=True)",
                f"dy * (lambda u: {_SLOPE})(lambda x: 0.7978845608028654 * (x + 0.044715 * x**3))",
            ),
            backward=methods(
                mul=lambda h, original, a, b, name=None: original(a, b / 3 if name == "cubic_slope" else b, name)
            ),
        ),
    ),
    Fault(
        "GELU with six decimals of its constant",
        "printed constant",
        "forward",
        _GELUS,
        ruled(
            _jax("gelu", "0.5 * x * (1 + jnp.tanh(0.797885 * (x + 0.044715 * x**3)))"),
            methods(mul=lambda h, original, a, b, name=None: original(a, 2 * 0.797885 if name == "two_u" else b, name)),
        ),
    ),
    Fault(
        "sigmoid slope without 1 - y",
        "activation",
        "backward",
        {"mobile": "mbconv1.b1.se.expand.sigmoid"},
        ruled(
            _jax("sigmoid", "jax.nn.sigmoid(x)", "dy * jax.nn.sigmoid(x)"),
            backward=lambda rule, layer, h, y, dy: (h.mul(dy, y),),
        ),
    ),
)
