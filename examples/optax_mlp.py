"""MNIST-MLP in JAX and optax, as a program that the harness can run beside its own.

    harness verify mnist_mlp --steps 200 --pipeline-cmd 'optax=python examples/optax_mlp.py'

Arrays of JAX cannot be changed, so that the program says itself what its parameters and its state are: `Training`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from mnist import BATCH, learning_rate, load

import harness

EPOCHS = 12
CONFIG = {"lr": 0.001, "batch_size": BATCH, "epochs": EPOCHS, "use_adam": True, "weight_decay": 1e-4, "cosine": True}
SHAPES = {
    "dense1.w": (784, 512),
    "dense1.b": (512,),
    "dense2.w": (512, 512),
    "dense2.b": (512,),
    "dense3.w": (512, 10),
    "dense3.b": (10,),
}
Parameters = dict[str, Any]

# Decoupled decay of the weights, after Adam and before the rate, which differs by step.
OPTIMIZER = optax.chain(
    optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8),
    optax.add_decayed_weights(1e-4, mask={name: name.endswith(".w") for name in SHAPES}),
)


def logits_of(params: Parameters, x: jax.Array) -> jax.Array:
    """Two hidden layers with ReLU. Shapes: x (B, 1, 28, 28), the result (B, 10)."""
    x = x.reshape(len(x), -1)
    for k in (1, 2):
        x = jnp.maximum(x @ params[f"dense{k}.w"] + params[f"dense{k}.b"], 0)
    return x @ params["dense3.w"] + params["dense3.b"]


def loss_of(params: Parameters, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy of a batch."""
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, x), labels).mean()


@jax.jit
def take_step(params: Parameters, slots: Any, x: jax.Array, labels: jax.Array, rate: jax.Array) -> Any:
    """The loss, the gradients, and parameters and slots after the step."""
    loss, grads = jax.value_and_grad(loss_of)(params, x, labels)
    updates, slots = OPTIMIZER.update(grads, slots, params)
    return loss, grads, optax.apply_updates(params, jax.tree.map(lambda u: -rate * u, updates)), slots


class Training(harness.Weights):
    """The parameters and the optimizer's slots, as the harness asks for them and sets them."""

    def __init__(self, dtype: str) -> None:
        self.params = {name: jnp.zeros(shape, dtype) for name, shape in SHAPES.items()}
        self.slots = OPTIMIZER.init(self.params)

    def parameters(self) -> Parameters:
        """By name, in the order of the file of initial parameters."""
        return {name: self.params[name] for name in SHAPES}

    def state(self) -> Parameters:
        """Parameters and both moments of Adam."""
        moments = {"m": self.slots[0].mu, "v": self.slots[0].nu}
        return self.parameters() | {f"{n}.{slot}": x[n] for slot, x in moments.items() for n in SHAPES}

    def put(self, tensors: Mapping[str, np.ndarray], step: int | None) -> None:
        """Go on from a state before a step, or from initial parameters."""
        given = {
            name: jnp.asarray(x, self.params[name.removesuffix(".m").removesuffix(".v")].dtype)
            for name, x in tensors.items()
        }
        self.params = {name: given[name] for name in SHAPES}
        if step is not None:
            mu, nu = ({name: given[f"{name}.{slot}"] for name in SHAPES} for slot in "mv")
            adam = self.slots[0]._replace(count=jnp.asarray(step - 1, jnp.int32), mu=mu, nu=nu)
            self.slots = (adam, *self.slots[1:])


def main() -> None:
    """Train on the data of the folder that is the last argument, then test."""
    request = harness.RunRequest(dtypes=("f32", "f64"))
    jax.config.update("jax_enable_x64", request.dtype == "f64")
    images, labels = load(Path(sys.argv[-1]), "train", request.float_name)
    labels = labels.astype(np.int32)
    batches = len(images) // BATCH
    now = Training(request.float_name)
    with request.start(
        now, network="MNIST-MLP", config=CONFIG, dataset="mnist", steps=EPOCHS * batches, epoch_steps=batches
    ) as run:
        for step in run.steps():
            epoch, batch = divmod(step - 1, batches)
            x, y = (array[batch * BATCH : (batch + 1) * BATCH] for array in (images, labels))
            rate = learning_rate(epoch, EPOCHS)
            loss, grads, now.params, now.slots = take_step(now.params, now.slots, x, y, rate)
            run.step(loss=loss, lr=rate, grads=grads, batch=(x, y))

    images, labels = load(Path(sys.argv[-1]), "t10k", request.float_name)
    correct = int((logits_of(now.params, images).argmax(1) == labels).sum())
    print(f"test accuracy: {correct / len(labels):.4f} ({correct}/{len(labels)})")


if __name__ == "__main__":
    main()
