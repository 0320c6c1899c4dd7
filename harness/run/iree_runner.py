"""The phase-3 program: trains with compiled modules on an IREE device, under the environment contract.

`python -m harness.run.iree_runner PLAN.json MODULE.vmfb… DATA_FOLDER`. Parameters, optimizer slots and running
statistics stay on the device. With `--xla` or `--interpreter` in front the modules are StableHLO texts, which XLA
compiles and runs, or jaxlib's reference interpreter runs as they are.
"""

import hashlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.data.batches import batch_sha256
from harness.data.dataset import read_data
from harness.data.feed import BatchFeed
from harness.data.initial_parameters import initial_parameters, read_init
from harness.emit.plan import PlannedTraining, RunnerPlan, read_plan
from harness.errors import ContractError, HarnessError
from harness.run.contract import Contract, read_contract
from harness.run.iree_device import Device
from harness.run.trainer import Array, Executor, Trainer, leave_state, take_state
from harness.trace.format import WHOLE_NORMS, TraceFile, TraceHeader
from harness.trace.logits import MOST_IMAGES, write_logits
from harness.trace.parts import Part, format_parts


def learning_rate(config: PlannedTraining, step: int, steps_per_epoch: int) -> np.float32:
    """The rate of a step (from 1), in f64 rounded to f32. Source: specs/README.md, Learning rate."""
    unit = 1 if config.schedule == "step" else steps_per_epoch
    position = (step - 1) // unit
    warmup = config.warmup_epochs * steps_per_epoch // unit
    total = config.epochs * steps_per_epoch // unit
    rate = config.lr
    if position < warmup:
        rate *= (position + 1) / warmup
    elif config.cosine:
        rate *= 0.5 * (1.0 + math.cos(math.pi * (position - warmup) / (total - warmup)))
    return np.float32(rate)


def observations(plan: RunnerPlan, x: Array, labels: Array, results: Sequence[Array]) -> dict[str, Any]:
    """The optional channels of a step, from the results of `Trainer.observe`. Source: traces/README.md."""
    kinds = ["grad_norms", "param_norms", "update_norms", "grad_projections", "update_projections"]
    names = [[p.name for p in plan.params]] * len(kinds)
    if plan.states:
        kinds, names = [*kinds, "stat_norms"], [*names, [s.name for s in plan.states]]
    observed: dict[str, Any] = {
        kind: dict(zip(named, values.tolist(), strict=True))
        for kind, named, values in zip(kinds, names, results, strict=True)
    }
    observed |= {kind: math.hypot(*observed[f"{kind}s"].values()) for kind in WHOLE_NORMS}
    return observed | {"batch_sha256": batch_sha256(x, labels)}


def open_trace(path: Path, header: dict[str, Any]) -> TraceFile:
    """A trace that starts with the header."""
    try:
        return TraceFile(path, msgspec.convert(header, TraceHeader))
    except OSError as error:
        raise ContractError(f"LEAN_MLIR_TRACE_OUT is {str(path)!r}: {error.strerror}.") from None


def train(plan: RunnerPlan, open_device: Callable[[], Executor], folder: Path, contract: Contract) -> None:
    """Run the cell on the device, which is opened once the input is sound: write trace, progress and test accuracy.

    Raises: HarnessError for unusable input.
    """
    config = plan.config
    dataset, shape = plan.header["dataset"], plan.input_shape
    data = read_data(folder, dataset, shape)
    feed = BatchFeed(
        data, dataset, shape, plan.dtype, config.batch_size, augmented=config.augment, shuffle=contract.shuffle
    )
    total_steps = config.epochs * feed.steps_per_epoch
    planned = min(contract.max_steps or total_steps, total_steps)
    state = contract.state
    parts = [Part(1, planned)] if state is None else state.parts(planned)

    if contract.init_load is not None:
        try:
            parameters = read_init(contract.init_load, plan.header["total_params"])
        except ContractError as error:
            raise ContractError(f"LEAN_MLIR_INIT_LOAD: {error}") from None
    else:
        parameters = np.concatenate([part.ravel() for part in initial_parameters(plan.params, plan.init_seed)])
    raw = parameters.astype("<f4").tobytes()
    if contract.init_dump is not None:
        try:
            contract.init_dump.write_bytes(raw)
        except OSError as error:
            raise ContractError(f"LEAN_MLIR_INIT_DUMP is {str(contract.init_dump)!r}: {error.strerror}.") from None

    trainer = Trainer(open_device(), plan, parameters)
    header = plan.header | {
        "dataset": data.name,
        "init_sha256": hashlib.sha256(raw).hexdigest(),
        "data_sha256": data.data_sha256,
        "backend": contract.backend,
        "shuffle": contract.shuffle,
        "planned_steps": sum(part.count for part in parts),
        "run_steps": None if state is None or state.run_steps is None else format_parts(parts),
        "epoch_steps": feed.steps_per_epoch,
    }
    with open_trace(contract.trace_out, header) as trace:
        leave_state(trainer, state, 1, planned)
        for part in parts:
            taken = take_state(trainer, state, part.first, planned)
            if taken and state is not None and state.logits is not None:
                _leave_logits(state.logits, trainer, feed, config.batch_size, part.first)
            for step in part.steps:
                lr = learning_rate(config, step, feed.steps_per_epoch)
                started = time.perf_counter()
                x, y = feed.training(step)
                parameters_before = trainer.parameters
                loss, gradients = trainer.step(x, y, lr, step)
                wall_ms = 1000 * (time.perf_counter() - started)
                observed: dict[str, Any] = {}
                if contract.observes(step):
                    observed = observations(plan, x, y, trainer.observe(gradients, parameters_before))
                if plan.dtype == "wide" and contract.channels != "none":
                    observed["param_words"] = trainer.param_words()
                epoch = (step - 1) // feed.steps_per_epoch
                trace.write_step(step, epoch, float(loss), float(lr), **observed, wall_ms=round(wall_ms, 3))
                if (step - 1) % feed.steps_per_epoch == 0 or step == planned:
                    print(f"step {step} of {planned}: loss {float(loss):.6f}", flush=True)
                leave_state(trainer, state, step + 1, planned)

    if state is not None and state.run_steps is not None:
        return  # parts of a run have no end to test
    tested = len(data.test_labels)
    if planned < total_steps:  # a short run's test is no longer than its training
        tested = min(tested, planned * config.batch_size)
    correct = int((test_logits(trainer, feed, config.batch_size, tested).argmax(-1) == feed.test_labels[:tested]).sum())
    print(f"test accuracy: {correct / tested:.4f} ({correct}/{tested})")


def test_logits(trainer: Trainer, feed: BatchFeed, batch_size: int, total: int) -> Array:
    """Logits of the first test images; the last batch is filled up with repeats, which are cut off.

    Shapes: the result (total, classes).
    """
    logits = []
    for start in range(0, total, batch_size):
        x, _ = feed.test(np.arange(start, start + batch_size).clip(max=total - 1))
        logits.append(trainer.logits(x))
    return np.concatenate(logits)[:total]


def _leave_logits(folder: Path, trainer: Trainer, feed: BatchFeed, batch_size: int, step: int) -> None:
    """Write the logits of the first test images, and their labels. Raises: ContractError."""
    total = min(MOST_IMAGES, len(feed.test_labels))
    try:
        logits = test_logits(trainer, feed, batch_size, total)
        write_logits(folder, step, logits, feed.test_labels[:total], trainer.dtype)
    except OSError as error:
        raise ContractError(f"HARNESS_LOGITS_OUT is {str(folder)!r}: {error.strerror}.") from None


def _xla_device(modules: Sequence[Path]) -> Executor:
    from harness.run.xla_device import XlaDevice  # here, because IREE does without JAX

    return XlaDevice(modules)


def _interpreter(modules: Sequence[Path]) -> Executor:
    from harness.run.interpreter_device import InterpreterDevice  # here, for the same reason

    return InterpreterDevice(modules)


_ON_TEXTS = {"--xla": _xla_device, "--interpreter": _interpreter}


def main() -> None:
    """Command line; a HarnessError ends it with one line and exit code 2."""
    try:
        on_texts = next((_ON_TEXTS[option] for option in sys.argv[1:2] if option in _ON_TEXTS), None)
        paths = [Path(argument) for argument in sys.argv[1 + (on_texts is not None) :]]
        if len(paths) < 3:
            raise ContractError("usage: python -m harness.run.iree_runner [--xla|--interpreter] PLAN.json MODULE… DATA")
        plan, *modules, folder = paths
        if folder.suffix in (".vmfb", ".mlir"):
            raise ContractError(f"{folder} is a module, expected the data folder. Give DATA as the last argument.")
        contract = read_contract()
        open_device = partial(on_texts, modules) if on_texts else partial(Device, contract.device, modules)
        train(read_plan(plan), open_device, folder, contract)
    except HarnessError as error:
        print(f"phase 3: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
