"""Small StableHLO modules, as people write them and as JAX lowers them."""

import jax
import jax.numpy as jnp

from tests.support.paths import ROOT

SGD_STEP = (ROOT / "tests" / "support" / "sgd_step.mlir").read_text()


def one_function(body: str, arguments: str, result: str) -> str:
    """A module with one function. `body` computes %y, which has the type `result`."""
    return f"module {{\n  func.func @main({arguments}) -> {result} {{\n{body}\n    return %y : {result}\n  }}\n}}\n"


def pool_gradient() -> str:
    """The gradient of a sum of maxima of 2x2 windows."""

    def total(x: jax.Array) -> jax.Array:
        wide = (1, 2, 2, 1)
        return (jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, wide, wide, "VALID") * jnp.arange(1.0, 5.0)).sum()

    return lowered(jax.grad(total), jnp.ones((1, 8, 8, 4), jnp.float32))


def overlapping_pool_gradient() -> str:
    """The gradient of a sum of maxima of 3x3 windows that overlap, which IREE does not compile."""

    def total(x: jax.Array) -> jax.Array:
        pad = [(0, 0), (1, 1), (1, 1), (0, 0)]
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), pad).sum()

    return lowered(jax.grad(total), jnp.ones((1, 8, 8, 2), jnp.float32))


def nested_calls() -> str:
    """A function that JAX lowers with private functions, one of them called twice, and a loop with a call in it."""

    @jax.jit
    def inner(x: jax.Array, w: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ w) + 0.1

    @jax.jit
    def twice(x: jax.Array, w: jax.Array) -> jax.Array:
        return inner(inner(x, w), w)

    def whole(x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
        looped = jax.lax.fori_loop(0, 3, lambda i, y: 0.5 * inner(y, w), x)
        return twice(x, w), jnp.where(looped > 0.2, looped, 0.1).sum()

    return lowered(whole, jnp.ones((4, 5), jnp.float32), jnp.ones((5, 5), jnp.float32))


def long_sums() -> str:
    """A training step, SGD, whose gradients of gain and bias add up 128x28x28 numbers each."""

    def loss(gain: jax.Array, bias: jax.Array, w: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        h = jax.nn.relu(x * gain[:, None, None] + bias[:, None, None])
        return -(jax.nn.log_softmax(h.mean((2, 3)) @ w) * onehot).sum(1).mean()

    def step(gain: jax.Array, bias: jax.Array, w: jax.Array, x: jax.Array, onehot: jax.Array, lr: jax.Array) -> object:
        value, moves = jax.value_and_grad(loss, (0, 1, 2))(gain, bias, w, x, onehot)
        return *(p - lr * g for p, g in zip((gain, bias, w), moves, strict=True)), value

    shapes = [(6,), (6,), (6, 10), (128, 6, 28, 28), (128, 10), ()]
    return lowered(step, *(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes))


def lowered(function: object, *arguments: object) -> str:
    """The text of a function as JAX lowers it, in f32."""
    with jax.enable_x64(False):
        return str(jax.jit(function).lower(*arguments).as_text())  # type: ignore[arg-type]
