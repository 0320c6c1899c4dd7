"""A Keras callback that writes a trace of `model.fit`, on whatever backend Keras runs.

KERAS_BACKEND=jax python examples/keras_callback.py keras.jsonl
"""

import sys
from typing import Any

import keras
import numpy as np

import harness


class TraceCallback(keras.callbacks.Callback):
    """Traces every step of `fit`.

    The loss in Keras's own logs is the mean of the epoch so far, so the mean is begun anew at every step.
    """

    def __init__(self, path: str, **facts: Any) -> None:
        super().__init__()
        self.path, self.facts = path, facts

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the trace with the parameters as they are now."""
        self.trace = harness.TraceWriter(self.path, params=self.parameters(), **self.facts)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begin the mean of the loss anew."""
        self.sync()
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write the step."""
        self.sync()
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self.trace.step(loss=logs["loss"], lr=rate, params=self.parameters())

    def on_train_end(self, logs: Any = None) -> None:
        """Give the trace its final name."""
        self.trace.close()

    def parameters(self) -> dict[str, np.ndarray]:
        """Copies by path, since Keras may give a step's memory to the next one."""
        return {weight.path: np.array(keras.ops.convert_to_numpy(weight)) for weight in self.model.trainable_variables}

    def sync(self) -> None:
        """Under JAX `fit` keeps the state to itself until it is asked for it."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()


def main() -> None:
    """Fit a small network to noise, and trace it."""
    keras.utils.set_random_seed(7)
    x, y = np.random.default_rng(7).normal(size=(640, 20)), np.arange(640) % 3
    model = keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(3)])
    model.build((None, 20))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01), loss)
    callback = TraceCallback(
        sys.argv[1], network="Small", config={"lr": 0.01, "batch_size": 64}, dataset="noise", epoch_steps=10
    )
    model.fit(x, y, batch_size=64, epochs=3, shuffle=False, verbose=0, callbacks=[callback])


if __name__ == "__main__":
    main()
