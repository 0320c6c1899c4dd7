"""Programs that handle the batch in the ways that people write, for any number of samples; lowered by JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Program = Callable[..., Any]
CLASSES = 5


def sgd(loss: Program) -> Program:
    """A step of gradient descent."""

    def step(p: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(p, x, y)
        return jax.tree.map(lambda a, b: a - 0.1 * b, p, grads), value

    return step


def _hidden(p: Any, x: Any) -> Any:
    return jax.nn.log_softmax(jax.nn.relu(x @ p["w0"] + p["b0"]) @ p["w1"])


def _by_one_hot(log_p: Any, y: Any) -> Any:
    return -(log_p * jax.nn.one_hot(y, CLASSES)).sum(-1).mean()


def _picked_by_axis(p: Any, x: Any, y: Any) -> Any:
    return -jnp.take_along_axis(_hidden(p, x), y[:, None], 1).mean()


def _picked_by_number(p: Any, x: Any, y: Any) -> Any:
    return -_hidden(p, x)[jnp.arange(x.shape[0]), y].mean()


def _masked(p: Any, x: Any, y: Any) -> Any:
    return _by_one_hot(_hidden(p, x), y)


def _convolutions(p: Any, x: Any, y: Any) -> Any:
    """With batch norm, a depthwise convolution and a pool of overlapping windows."""
    order = ("NCHW", "OIHW", "NCHW")
    h = jax.lax.conv_general_dilated(x, p["c"], (1, 1), "SAME", dimension_numbers=order)
    mean, var = h.mean((0, 2, 3), keepdims=True), h.var((0, 2, 3), keepdims=True)
    h = jax.nn.relu((h - mean) * jax.lax.rsqrt(var + 1e-5) * p["g"][:, None, None])
    h = jax.lax.conv_general_dilated(h, p["d"], (2, 2), "SAME", dimension_numbers=order, feature_group_count=16)
    pad = [(0, 0), (0, 0), (1, 1), (1, 1)]
    h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pad)
    return _by_one_hot(jax.nn.log_softmax(h.reshape(h.shape[0], -1) @ p["w"]), y)


def _attention(p: Any, x: Any, y: Any) -> Any:
    """As many features as samples, two heads, and a class token."""
    b, t, c = x.shape
    q, k, v = ((x @ p[n]).reshape(b, t, 2, c // 2).transpose(0, 2, 1, 3) for n in ("q", "k", "v"))
    a = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / c**0.5)
    h = (a @ v).transpose(0, 2, 1, 3).reshape(b, t, c) + x
    h = jnp.concatenate([jnp.broadcast_to(p["cls"], (b, 1, c)), h], 1)
    return _by_one_hot(jax.nn.log_softmax(h[:, 0] @ p["w"]), y)


def _recurrent(p: Any, x: Any, y: Any) -> Any:
    def cell(h: Any, x_t: Any) -> tuple[Any, None]:
        return jnp.tanh(x_t @ p["u"] + h @ p["w"]), None

    h, _ = jax.lax.scan(cell, jnp.zeros((x.shape[0], 16)), x.transpose(1, 0, 2))
    return _by_one_hot(jax.nn.log_softmax(h @ p["o"]), y)


_MLP = {"w0": (12, 16), "b0": (16,), "w1": (16, CLASSES)}
_ATTENTION = {"q": (16, 16), "k": (16, 16), "v": (16, 16), "cls": (1, 1, 16), "w": (16, CLASSES)}
STEPS: dict[str, tuple[Program, dict[str, tuple[int, ...]], tuple[int, ...]]] = {
    "picked by axis": (sgd(_picked_by_axis), _MLP, (12,)),
    "picked by number": (sgd(_picked_by_number), _MLP, (12,)),
    "masked": (sgd(_masked), _MLP, (12,)),
    "convolutions": (
        sgd(_convolutions),
        {"c": (16, 3, 3, 3), "g": (16,), "d": (16, 1, 3, 3), "w": (64, CLASSES)},
        (3, 8, 8),
    ),
    "attention": (sgd(_attention), _ATTENTION, (4, 16)),
    "recurrent": (sgd(_recurrent), {"u": (8, 16), "w": (16, 16), "o": (16, CLASSES)}, (6, 8)),
}


def lowered_step(name: str, batch: int) -> str:
    """The text of a step for so many samples, its arguments called as JAX calls them."""
    step, shapes, sample = STEPS[name]
    with jax.enable_x64(False):
        params = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
        x = jax.ShapeDtypeStruct((batch, *sample), jnp.float32)
        y = jax.ShapeDtypeStruct((batch,), jnp.int32)
        return str(jax.jit(step).lower(params, x, y).as_text())
