"""MNIST-MLP in JAX and optax: a program that nobody here generated, and that obeys the environment contract.

It takes batches in the order of the files only, trains in f32, and writes no optional channels.
"""

import hashlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import load_file, save_file

BATCH, EPOCHS, WARMUP, RATE, DECAY = 128, 12, 1, 0.001, 1e-4
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
    optax.add_decayed_weights(DECAY, mask={name: name.endswith(".w") for name in SHAPES}),
)


def loss_of(params: Parameters, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy of a batch."""
    for k in (1, 2):
        x = jnp.maximum(x @ params[f"dense{k}.w"] + params[f"dense{k}.b"], 0)
    logits = x @ params["dense3.w"] + params["dense3.b"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@jax.jit
def take_step(params: Parameters, slots: Any, x: jax.Array, labels: jax.Array, rate: jax.Array) -> Any:
    """The loss, and parameters and slots after the step."""
    loss, grads = jax.value_and_grad(loss_of)(params, x, labels)
    updates, slots = OPTIMIZER.update(grads, slots, params)
    return loss, optax.apply_updates(params, jax.tree.map(lambda u: -rate * u, updates)), slots


def rate_of(step: int, per_epoch: int) -> np.float32:
    """A warm-up of one epoch, then half a cosine, both constant within an epoch."""
    epoch = (step - 1) // per_epoch
    if epoch < WARMUP:
        return np.float32(RATE * (epoch + 1) / WARMUP)
    return np.float32(RATE * 0.5 * (1 + math.cos(math.pi * (epoch - WARMUP) / (EPOCHS - WARMUP))))


def write_state(folder: Path, step: int, params: Parameters, slots: Any) -> None:
    """Write the state before a step, once there is room."""
    room = int(os.environ.get("HARNESS_STATE_ROOM", 2**31))
    while len(list(folder.glob("*.safetensors"))) >= room:
        time.sleep(0.001)
    adam = slots[0]
    tensors = {**params, **{f"{n}.m": adam.mu[n] for n in SHAPES}, **{f"{n}.v": adam.nu[n] for n in SHAPES}}
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(whole, folder / f"{step}.partial", {"step": str(step), "dtype": "f32"})
    (folder / f"{step}.partial").rename(folder / f"{step}.safetensors")


def read_state(folder: Path, step: int, slots: Any) -> tuple[Parameters, Any]:
    """Parameters and slots before a step, once they are there."""
    path = folder / f"{step}.safetensors"
    while not path.exists():
        time.sleep(0.001)
    state = load_file(path)
    mu, nu = ({name: jnp.asarray(state[f"{name}.{slot}"]) for name in SHAPES} for slot in "mv")
    adam = slots[0]._replace(count=jnp.asarray(step - 1, jnp.int32), mu=mu, nu=nu)
    return {name: jnp.asarray(state[name]) for name in SHAPES}, (adam, *slots[1:])


def read_idx(path: Path, axes: int) -> np.ndarray:
    """An IDX file of bytes."""
    raw = path.read_bytes()
    shape = np.frombuffer(raw, ">u4", axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(tuple(map(int, shape)))


def main() -> None:
    """Train on the data of a folder, and trace each step."""
    folder = Path(sys.argv[-1])
    images = read_idx(folder / "train-images-idx3-ubyte", 3).reshape(-1, 784).astype(np.float32) / np.float32(255)
    labels = read_idx(folder / "train-labels-idx1-ubyte", 1).astype(np.int32)
    start = Path(os.environ["LEAN_MLIR_INIT_LOAD"]).read_bytes()
    flat, params, at = np.frombuffer(start, "<f4"), {}, 0
    for name, shape in SHAPES.items():
        params[name] = jnp.asarray(flat[at : at + math.prod(shape)].reshape(shape))
        at += math.prod(shape)
    slots = OPTIMIZER.init(params)
    per_epoch = len(images) // BATCH
    steps = min(EPOCHS * per_epoch, int(os.environ.get("LEAN_MLIR_MAX_STEPS", 2**31)))
    given, taken = (os.environ.get(f"HARNESS_STATE_{way}") for way in ("OUT", "IN"))
    every = int(os.environ.get("HARNESS_STATE_STEPS", 1))
    config = {"lr": RATE, "batch_size": BATCH, "epochs": EPOCHS, "use_adam": True, "weight_decay": DECAY}
    header = {"kind": "header", "phase": "optax", "netspec_name": "MNIST-MLP", "dataset": "mnist", "config": config}
    header |= {"total_params": at, "emitter_version": "0", "dtype": "f32", "params": list(SHAPES)}
    header |= {"init_sha256": hashlib.sha256(start).hexdigest(), "planned_steps": steps, "epoch_steps": per_epoch}
    with Path(os.environ["LEAN_MLIR_TRACE_OUT"]).open("w", buffering=1) as trace:
        print(json.dumps(header), file=trace)
        for step in range(1, steps + 2):
            if (step - 1) % every == 0 or step > steps:
                if given:
                    write_state(Path(given), step, params, slots)
                if taken and step <= steps:
                    params, slots = read_state(Path(taken), step, slots)
            if step > steps:
                break
            epoch, batch = divmod(step - 1, per_epoch)
            rows = slice(batch * BATCH, (batch + 1) * BATCH)
            rate = rate_of(step, per_epoch)
            loss, params, slots = take_step(params, slots, images[rows], labels[rows], rate)
            line = {"kind": "step", "step": step, "epoch": epoch, "loss": float(loss), "lr": float(rate)}
            print(json.dumps(line), file=trace)


if __name__ == "__main__":
    main()
