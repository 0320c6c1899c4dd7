"""Matrix products, convolutions and what is read in the wrong order or the wrong place."""

from typing import Any

from harness.emit.hlo_builder import HloBuilder
from harness.emit.hlo_function import Value
from harness.emit.jax_builder import Expr, JaxBuilder
from harness.nn.layers.convolution import Convolution
from harness.nn.layers.depthwise_convolution import DepthwiseConvolution
from harness.validation.power.fault import Fault
from harness.validation.power.faults.injecting import methods, parameter_gradient, parameter_seen, ruled
from harness.validation.power.mutate import jax_with_gradients

_CONVOLUTIONS = {"cnn": "conv2", "residual": "residual1.b1.conv1", "mobile": "conv1"}
_INNER = {name: _CONVOLUTIONS[name] for name in ("cnn", "residual")}
_STRIDED = {"cnn": "conv1", "residual": "conv1"}
_CONV = 'jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC"))'
_TURNED = _CONV.replace("(x, w,", "(x, w[:, :, ::-1, ::-1],")


def _jax_padded(j: JaxBuilder, original: Any, x: Expr, w: Expr, stride: Any, padding: str, *how: Any) -> Expr:
    assert j.node is not None and isinstance(j.node.layer, Convolution | DepthwiseConvolution)
    swapped = tuple((high, low) for _, low, high in j.node.layer.windows.spans(j.node.in_shapes[0][1:]))
    return Expr(original(x, w, stride, padding, *how).text.replace(f'"{padding}"', str(swapped)))


def _jax_product(j: JaxBuilder, original: Any, a: Expr, b: Expr) -> Expr:
    return jax_with_gradients(j, "product", "a @ b", "dy @ b, a.T @ dy", a=a, b=b)


def _jax_convolution(j: JaxBuilder, original: Any, x: Expr, w: Expr, *how: Any) -> Expr:
    cotangents = f"jax.vjp(lambda x: {_TURNED}, x)[1](dy)[0], jax.vjp(lambda w: {_CONV}, w)[1](dy)[0]"
    return jax_with_gradients(j, "convolution", _CONV, cotangents, x=x, w=w)


def _hlo_product(h: HloBuilder, original: Any, a: Value, b: Value, contract: Any, *rest: Any, name: str) -> Value:
    value: Value = original(a, b, ((1,), (0,)) if name == "dx" else contract, *rest, name=name)
    return value


def _rolled(h: HloBuilder, pos: Value) -> Value:
    tokens, features = pos.shape
    last = h.slice(pos, (tokens - 1, 0), (tokens, features))
    return h.concatenate([last, h.slice(pos, (0, 0), (tokens - 1, features))], 0)


FAULTS = (
    Fault(
        "dense weight transposed",
        "transposed weight",
        "forward",
        {"mlp": "dense2", "attention": "encoder1.b1.q"},
        parameter_seen("w", lambda w: f"{w}.T", lambda h, w: h.transpose(w, (1, 0))),
    ),
    Fault(
        "taps transposed",
        "transposed weight",
        "forward",
        {name: _CONVOLUTIONS[name] for name in ("cnn", "mobile")},
        parameter_seen("w", lambda w: f"{w}.transpose(0, 1, 3, 2)", lambda h, w: h.transpose(w, (0, 1, 3, 2))),
    ),
    Fault(
        "kernel turned around",
        "transposed weight",
        "forward",
        {"cnn": "conv2"},
        parameter_seen("w", lambda w: f"{w}[:, :, ::-1, ::-1]", lambda h, w: h.reverse(w, (2, 3))),
    ),
    Fault(
        "padding on the other side",
        "padding",
        "forward",
        _STRIDED,
        ruled(
            methods(conv=_jax_padded),
            methods(
                convolution=lambda h, original, x, w, stride, padding, *rest, **named: original(
                    x, w, stride, tuple((high, low) for low, high in padding), *rest, **named
                )
            ),
        ),
    ),
    Fault(
        "input gradient by the untransposed weight",
        "transposed weight",
        "backward",
        {"mlp": "dense2"},
        ruled(methods(dot=_jax_product), backward=methods(dot=_hlo_product)),
    ),
    Fault(
        "input gradient by the kernel not turned around",
        "transposed weight",
        "backward",
        _INNER,
        ruled(
            methods(conv=_jax_convolution),
            backward=methods(
                convolution=lambda h, original, dy, w, *rest, **named: original(
                    dy, h.reverse(w, (0, 1)), *rest, **named
                )
            ),
        ),
    ),
    Fault(
        "weight gradient with its taps turned around",
        "transposed weight",
        "backward",
        _INNER,
        parameter_gradient("w", "dy[:, :, ::-1, ::-1]", lambda h, dw: h.reverse(dw, (2, 3))),
    ),
    Fault(
        "flattened in the wrong order",
        "transposed weight",
        "forward",
        {"cnn": "flatten1", "ties": "flatten1"},
        ruled(
            methods(transpose=lambda j, original, x, order: x),
            methods(transpose=lambda h, original, x, order, name: x),
            methods(
                reshape=lambda h, original, x, shape, name=None: original(
                    x, shape if len(shape) == 2 else (shape[0], *shape[2:], shape[1]), name
                ),
                transpose=lambda h, original, x, order, name: x,
            ),
        ),
    ),
    Fault(
        "positions moved by one",
        "transposed weight",
        "forward",
        {"attention": "patch1.position"},
        parameter_seen("pos", lambda pos: f"jnp.roll({pos}, 1, axis=0)", _rolled),
    ),
    # A bias is zero at first: neither the loss nor any gradient but its own shows it before the second step.
    Fault(
        "bias not added",
        "lost bias",
        "forward",
        {"mlp": "dense2", "cnn": "conv2.bias"},
        parameter_seen("b", lambda b: f"0 * {b}", lambda h, b: h.mul(b, 0.0)),
    ),
)
