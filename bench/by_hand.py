"""The two networks as a person writes them with flax and optax: what phase 2 is measured against."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from harness.spec.models import Model

Step = Callable[..., Any]


class Mlp(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        x = nn.relu(nn.Dense(512)(x))
        x = nn.relu(nn.Dense(512)(x))
        return nn.Dense(10)(x)


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        for channels in (32, 64):
            for _ in range(2):
                x = nn.Conv(channels, (3, 3), use_bias=False)(x)
                norm = nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5, use_fast_variance=False)
                x = nn.relu(norm(x))
            x = nn.max_pool(x, (2, 2), (2, 2))  # type: ignore[no-untyped-call]  # flax leaves it untyped
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(512)(x))
        return nn.Dense(10)(x)


def by_hand(model: Model) -> tuple[Step, Any, Callable[[Any], Any]]:
    """(jitted step, its first state, how to turn a batch of NCHW images into what the network takes)."""
    config = model.config
    network = {"mnist_mlp": Mlp, "mnist_cnn": Cnn}[model.name]()
    images = len(model.spec.input_shape) == 3

    def layout(x: Any) -> Any:
        return x.transpose(0, 2, 3, 1) if images else x

    example = layout(jnp.zeros((config.batch_size, *model.spec.input_shape), jnp.float32))
    variables = network.init(jax.random.key(0), example)
    params, stats = variables["params"], variables.get("batch_stats", {})

    def weights(tree: Any) -> Any:
        return jax.tree.map(lambda p: p.ndim >= 2, tree)

    optimizer = optax.adamw(config.lr, weight_decay=config.weight_decay, mask=weights)

    def loss_function(params: Any, stats: Any, x: Any, y: Any) -> Any:
        logits, updates = network.apply({"params": params, "batch_stats": stats}, x, mutable=["batch_stats"])
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        return loss, updates.get("batch_stats", {})

    def step(state: Any, x: Any, y: Any) -> Any:
        params, stats, moments = state
        (loss, stats), grads = jax.value_and_grad(loss_function, has_aux=True)(params, stats, x, y)
        updates, moments = optimizer.update(grads, moments, params)
        return loss, (optax.apply_updates(params, updates), stats, moments)

    return jax.jit(step, donate_argnums=0), (params, stats, optimizer.init(params)), layout
