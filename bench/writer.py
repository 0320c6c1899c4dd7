"""What `harness.TraceWriter` costs a training loop: the MNIST-MLP with flax and optax, with a trace and without."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import harness
from bench.by_hand import by_hand
from harness.spec.models import load_model

BLOCK, ROUNDS = 128, 12  # steps of a block, of which two are observed; blocks with a trace and without, in turn


def named(params: Any) -> dict[str, Any]:
    """The parameters of flax by their paths."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def main() -> None:
    """Print the cost of a step that is observed and of one that is not, and of all in per cent of a step."""
    step, state, _ = by_hand(load_model("mnist_mlp"))
    random = np.random.default_rng(0)
    x, y = random.random((128, 784), np.float32), random.integers(0, 10, 128).astype(np.int32)
    loss, state = step(state, x, y)
    alone: list[float] = []
    beside: list[float] = []
    quiet: list[float] = []
    observed: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trace = harness.TraceWriter(
            Path(folder, "a.jsonl"), network="MNIST-MLP", config={}, params=named(state[0]), dataset="mnist"
        )
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(BLOCK):
                loss, state = step(state, x, y)
                jax.block_until_ready(state)  # type: ignore[no-untyped-call]  # JAX leaves it untyped
                number, params = float(loss), named(state[0])
            alone.append((time.perf_counter() - began) / BLOCK)
            began = time.perf_counter()
            for _ in range(BLOCK):
                loss, state = step(state, x, y)
                jax.block_until_ready(state)  # type: ignore[no-untyped-call]  # or the writer waits for the update
                number, params = float(loss), named(state[0])
                before = time.perf_counter()
                trace.step(loss=number, lr=0.001, params=params, grads=params, batch=(x, y))
                (observed if trace.observed else quiet).append(time.perf_counter() - before)
            beside.append((time.perf_counter() - began) / BLOCK)
        trace.close()
    late = observed[8:]  # past the first steps, all of which are observed, and which make the signs
    share = (statistics.median(late) + 63 * statistics.median(quiet)) / 64 / statistics.median(alone)
    print(f"a step of the MLP: {1e3 * statistics.median(alone):.2f} ms, {ROUNDS} blocks of {BLOCK}")
    print(f"trace.step, not observed: {1e6 * statistics.median(quiet):.1f} us, {len(quiet)} times")
    print(f"trace.step, observed: {1e3 * statistics.median(late):.2f} ms, {len(late)} times")
    print(f"of a step, at the default channels: {100 * share:.2f} %")
    ratios = sorted(b / a for a, b in zip(alone, beside, strict=True))
    print(f"with over without: {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
