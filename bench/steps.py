"""Times one training step of each pipeline, and of the same network written by hand, in turn in one process."""

import json
import statistics
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bench.by_hand import by_hand
from harness.data.initial_parameters import initial_parameters
from harness.emit.jax_script import emit_jax_script
from harness.emit.phase3 import emit_phase3
from harness.emit.plan import RunnerPlan
from harness.nn.rules import registered_rules
from harness.run.backends import BACKENDS
from harness.run.compile import compile_module
from harness.run.iree_device import Device
from harness.run.iree_runner import observations, open_trace
from harness.run.trainer import Trainer
from harness.spec.models import Model, load_model
from harness.spec.netspec import Conventions

Call = Callable[[], float]


def phase2_step(model: Model, x: Any, y: Any) -> Call:
    """One step of the emitted script as its own loop takes it: feed, update, loss on the host."""
    source = emit_jax_script(model.graph, model.config, "f32", Conventions(), command="bench", rules=registered_rules())
    script = types.ModuleType("script")
    exec(compile(source, "script.py", "exec"), script.__dict__)
    flat = np.concatenate([p.ravel() for p in initial_parameters(model.graph.params)])
    params = jax.device_put(script.unflatten(flat))
    zeros = partial(jax.tree.map, jax.numpy.zeros_like)
    stats = {name: jax.numpy.zeros(shape, np.float32) for name, shape in script.STATS.items()}
    state = [params, {slot: zeros(params) for slot in script.SLOTS}, stats]
    count = [0]

    def step() -> float:
        count[0] += 1
        fed = jax.device_put((x, y))
        loss, *state[:], _ = script.train_step(*state, *fed, np.float32(0.001), np.float32(count[0]))
        return float(loss)

    return step


def hand_step(model: Model, x: Any, y: Any) -> Call:
    """One step of the network written by hand."""
    step, state, layout = by_hand(model)
    box = [state]
    laid_out = np.ascontiguousarray(layout(x))

    def run() -> float:
        fed = jax.device_put((laid_out, y))
        loss, box[0] = step(box[0], *fed)
        return float(loss)

    return run


def phase3_trainer(model: Model) -> tuple[Trainer, RunnerPlan]:
    """The trainer of the phase-3 runner."""
    texts, plan = emit_phase3(model.graph, model.config, "f32", Conventions(), rules=registered_rules())
    flags = BACKENDS["cpu"].compile_flags()
    paths = [compile_module(text, flags, name).path for name, text in texts.items()]
    device = Device(BACKENDS["cpu"].hal_device, paths)
    flat = np.concatenate([p.ravel() for p in initial_parameters(model.graph.params)])
    return Trainer(device, plan, flat), plan


def phase3_step(model: Model, x: Any, y: Any) -> Call:
    """One step as the runner takes it."""
    trainer, _ = phase3_trainer(model)
    count = [0]

    def step() -> float:
        count[0] += 1
        return float(trainer.step(x, y, np.float32(0.001), count[0])[0])

    return step


def in_turn(calls: dict[str, Call], rounds: int, burst: int) -> dict[str, list[float]]:
    """Milliseconds a step: `rounds` times each call in turn, the median of `burst` steps a time."""
    for call in calls.values():
        for _ in range(3):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            burst_times = []
            for _ in range(burst):
                started = time.perf_counter()
                call()
                burst_times.append(1000 * (time.perf_counter() - started))
            times[name].append(statistics.median(burst_times))
    return times


def measure_steps(name: str, rounds: int, burst: int) -> dict[str, Any]:
    """Medians in milliseconds and the ratios, pair by pair."""
    model = load_model(name)
    rng = np.random.default_rng(0)
    x = rng.random((model.config.batch_size, *model.spec.input_shape), np.float32)
    y = rng.integers(0, model.spec.classes, model.config.batch_size).astype(np.int32)
    calls = {"phase2": phase2_step(model, x, y), "phase3": phase3_step(model, x, y), "by hand": hand_step(model, x, y)}
    times = in_turn(calls, rounds, burst)

    def ratio(a: str, b: str) -> float:
        return statistics.median(p / q for p, q in zip(times[a], times[b], strict=True))

    return {
        "model": name,
        "rounds": rounds,
        **{f"{key} ms": round(statistics.median(values), 2) for key, values in times.items()},
        "phase3/phase2": round(ratio("phase3", "phase2"), 3),
        "phase2/by hand": round(ratio("phase2", "by hand"), 3),
    }


def measure_tracing(rounds: int = 5616) -> dict[str, Any]:
    """Time of writing an MLP step's line with the default channels, as a share of the step."""
    model = load_model("mnist_mlp")
    trainer, plan = phase3_trainer(model)
    rng = np.random.default_rng(0)
    x = rng.random((model.config.batch_size, *model.spec.input_shape), np.float32)
    y = rng.integers(0, 10, model.config.batch_size).astype(np.int32)
    training = tracing = 0.0
    with tempfile.TemporaryDirectory() as folder, open_trace(Path(folder, "trace.jsonl"), plan.header) as trace:
        for step in range(1, rounds + 1):
            started = time.perf_counter()
            before = trainer.parameters
            loss, gradients = trainer.step(x, y, np.float32(0.001), step)
            done = time.perf_counter()
            observed: dict[str, Any] = {}
            if step <= 8 or step % 64 == 0:
                observed = observations(plan, x, y, trainer.observe(gradients, before))
            trace.write_step(step, 0, float(loss), 0.001, **observed, wall_ms=1.0)
            training += done - started
            tracing += time.perf_counter() - done
    return {"steps": rounds, "trace writing / step": round(tracing / training, 5)}


def main() -> None:
    """Print one JSON line a measurement."""
    for name, rounds, burst in (("mnist_mlp", 15, 40), ("mnist_cnn", 9, 3)):
        print(json.dumps(measure_steps(name, rounds, burst)), flush=True)
    print(json.dumps(measure_tracing()), flush=True)


if __name__ == "__main__":
    main()
