"""The part of the JAX script around network and data: settings, initial parameters, trace and the training loop.

It carries its own small readers and generators on purpose: the script stands alone, and shares no arithmetic with the
programs of other pipelines.
"""

from harness.emit.source import Source
from harness.spec.netspec import TrainConfig

IMPORTS = """
import hashlib
import json
import math
import os
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

jax.config.update("jax_default_matmul_precision", "highest")  # no TF32
"""

ENVIRONMENT = '''
def fail(message):
    """End the program with one line for the reader."""
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(2)


def choice(name, default, allowed):
    """An environment variable that takes one of a few values; `default` when it is unset."""
    value = os.environ.get(name)
    if value is not None and value not in allowed:
        fail(f"{name} is {value!r}, expected {' or '.join(allowed)}. Unset it for the default.")
    return default if value is None else value


def max_steps():
    """LEAN_MLIR_MAX_STEPS as a number, or None."""
    value = os.environ.get("LEAN_MLIR_MAX_STEPS")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= 16 and 1 <= int(value) <= 2**53):
        fail(f"LEAN_MLIR_MAX_STEPS is {value[:40]!r}, expected a whole number of at least 1.")
    return int(value)


def open_output(name, unset, mode, **options):
    """The file that an environment variable names, opened for writing; `unset` when there is none."""
    path = os.environ.get(name, unset)
    try:
        return open(path, mode, **options)
    except OSError as error:
        fail(f"{name} is {path!r}: {error.strerror}, expected a file that can be written.")
'''

PARAMETERS = '''
def xorshift(s):
    """The next states of 64-bit xorshift generators."""
    s = s ^ (s << np.uint64(13))
    s = s ^ (s >> np.uint64(7))
    return s ^ (s << np.uint64(17))


def jump(states, columns):
    """States some steps ahead. The generator is linear over GF(2): `columns` says where each bit goes."""
    ahead = np.zeros_like(states)
    for bit, column in enumerate(columns):
        ahead ^= np.where((states >> np.uint64(bit)) & np.uint64(1), column, np.uint64(0))
    return ahead


def draw(seed, n, scale):
    """n values of mean 0 and standard deviation `scale`: each twice a sum of three uniforms in [-1/2, 1/2]."""
    states = xorshift(np.array([seed + 1], np.uint64))
    columns = xorshift(np.uint64(1) << np.arange(64, dtype=np.uint64))
    while len(states) < 3 * n:
        states = np.concatenate([states, jump(states, columns)])
        columns = jump(columns, columns)
    u = (states[: 3 * n].astype(np.float32) / np.float32(2**64) - np.float32(0.5)).reshape(n, 3)
    return ((u[:, 0] + u[:, 1]) + u[:, 2]) * np.float32(2) * np.float32(scale)


def initial_parameters():
    """From LEAN_MLIR_INIT_LOAD, or drawn; as one float32 vector in the order of PARAMS."""
    path = os.environ.get("LEAN_MLIR_INIT_LOAD")
    if path is not None:
        if not Path(path).is_file():
            fail(f"LEAN_MLIR_INIT_LOAD: {path}: no such file.")
        raw = Path(path).read_bytes()
        if len(raw) != 4 * TOTAL_PARAMS:
            fail(f"LEAN_MLIR_INIT_LOAD: {path} has {len(raw)} bytes, expected {4 * TOTAL_PARAMS}.")
        flat = np.frombuffer(raw, "<f4")
    else:
        seed, parts = INIT_SEED, []
        for shape, init in PARAMS.values():
            n = math.prod(shape)
            if init in ("zeros", "ones"):
                parts.append(np.full(n, init == "ones", np.float32))
            else:
                parts.append(draw(seed, n, math.sqrt(2 / init)))
                seed += 1
        flat = np.concatenate(parts)
    if "LEAN_MLIR_INIT_DUMP" in os.environ:
        with open_output("LEAN_MLIR_INIT_DUMP", None, "wb") as dump:
            dump.write(flat.astype("<f4").tobytes())
    return flat


def unflatten(flat):
    """One array a parameter."""
    params, offset = {}, 0
    for name, (shape, _) in PARAMS.items():
        n = math.prod(shape)
        params[name] = flat[offset : offset + n].reshape(shape).astype(DTYPE)
        offset += n
    return params
'''

TRACE = '''
def number(x):
    """A float for JSON, without loss; what JSON lacks is spelled as a string."""
    x = float(x)
    if math.isfinite(x):
        return x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def observations(x, labels, grads, before, params):
    """The optional channels of a step: norms, and a digest of the batch that was really fed."""
    observed = {}
    moves = jax.tree.map(jnp.subtract, params, before)
    for kind, tensors in (("grad", grads), ("param", before), ("update", moves)):
        values = np.asarray(norms(tensors))
        wide = values.astype(np.float64)
        observed[f"{kind}_norm"] = number(np.sqrt(np.sum(wide * wide)))
        observed[f"{kind}_norms"] = {name: number(value) for name, value in zip(PARAMS, values)}
    fed = hashlib.sha256(np.asarray(x).tobytes())
    fed.update(np.asarray(labels).astype("<i4").tobytes())
    return observed | {"batch_sha256": fed.hexdigest()}
'''

ACCURACY = '''
def accuracy(params, stats, images, labels):
    """How many test images are classified rightly; the last batch is filled up with repeats that don't count."""
    correct = 0
    for start in range(0, len(images), BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), len(images) - 1)
        hits = np.asarray(predict(params, stats, fed(images, rows))) == labels[rows]
        correct += int(hits[: len(images) - start].sum())
    return correct
'''

MAIN = """
def main():
    if len(sys.argv) < 2:
        fail("no data folder. Give it as the last argument.")
    shuffled = choice("LEAN_MLIR_NO_SHUFFLE", None, ("1",)) is None
    channels = choice("HARNESS_TRACE_CHANNELS", "default", ("default", "all", "none"))
    limit = max_steps()
    (images, labels, test_images, test_labels), data_sha256, dataset = load_data(Path(sys.argv[-1]))
    labels = labels.astype(np.int32)
    steps_per_epoch = len(images) // BATCH
    if steps_per_epoch == 0:
        fail(f"the data holds {len(images)} images, a batch needs {BATCH}.")
    total_steps = EPOCHS * steps_per_epoch
    planned = total_steps if limit is None else min(limit, total_steps)

    try:
        devices = jax.devices()
    except RuntimeError as error:
        fail(f"no device: {str(error).splitlines()[0]}")
    while BATCH % len(devices):
        devices = devices[:-1]
    mesh = Mesh(np.array(devices), ("batch",))
    everywhere, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))

    flat = initial_parameters()
    params = jax.device_put(unflatten(flat), everywhere)
    zeros = partial(jax.tree.map, jnp.zeros_like)
    slots = {slot: zeros(params) for slot in SLOTS}
    stats = jax.device_put({name: np.zeros(shape, DTYPE) for name, shape in STATS.items()}, everywhere)

    header = HEADER | {
        "dataset": dataset,
        "init_sha256": hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest(),
        "data_sha256": data_sha256,
        "backend": os.environ.get("JAX_PLATFORMS") or jax.default_backend(),
        "jit": not jax.config.jax_disable_jit,
        "devices": len(devices),
        "shuffle": shuffled,
        "planned_steps": planned,
        "epoch_steps": steps_per_epoch,
        "emitted_sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    order = np.arange(len(images))
    with open_output("LEAN_MLIR_TRACE_OUT", os.devnull, "w", newline="\\n", buffering=1) as trace:
        print(json.dumps(header), file=trace)
        for step in range(1, planned + 1):
            epoch, batch = divmod(step - 1, steps_per_epoch)
            if shuffled and batch == 0:
                shuffled_order = order.tolist()
                shuffle(shuffled_order, epoch)
                order = np.array(shuffled_order)
            rows = order[batch * BATCH : (batch + 1) * BATCH]
            lr = learning_rate(step, steps_per_epoch)
            observed = channels == "all" or (channels == "default" and (step <= 8 or step % 64 == 0))
            before = jax.tree.map(jnp.copy, params) if observed else None
            started = time.perf_counter()
            x, y = jax.device_put((fed(images, rows), labels[rows]), split)
            loss, params, slots, stats, grads = train_step(params, slots, stats, x, y, DTYPE(lr), DTYPE(step))
            record = {"kind": "step", "step": step, "epoch": epoch, "loss": number(loss), "lr": number(lr)}
            wall_ms = 1000 * (time.perf_counter() - started)
            if observed:
                record |= observations(x, y, grads, before, params)
            record["wall_ms"] = round(wall_ms, 3)
            print(json.dumps(record), file=trace)
            if batch == 0 or step == planned:
                print(f"step {step} of {planned}: loss {float(loss):.6f}", flush=True)

    tested = len(test_labels) if planned == total_steps else min(len(test_labels), planned * BATCH)
    correct = accuracy(params, stats, test_images[:tested], test_labels[:tested])
    print(f"test accuracy: {correct / tested:.4f} ({correct}/{tested})")
"""

START = """
if __name__ == "__main__":
    main()
"""


def write_learning_rate(out: Source, config: TrainConfig) -> None:
    """Write `learning_rate(step, steps_per_epoch)` with only the branches that the configuration takes."""
    unit = config.schedule
    with out.block("def learning_rate(step, steps_per_epoch):"):
        out.line('"""The rate of a step (from 1), computed in float64 and rounded to float32."""')
        if not (config.cosine or config.warmup_epochs):
            out.line("return np.float32(LR)")
            return
        if unit == "epoch":
            out.line("now, warmup, end = (step - 1) // steps_per_epoch, WARMUP_EPOCHS, EPOCHS")
        else:
            out.line("now, warmup, end = step - 1, WARMUP_EPOCHS * steps_per_epoch, EPOCHS * steps_per_epoch")
        if config.warmup_epochs:
            with out.block("if now < warmup:"):
                out.line("return np.float32(LR * (now + 1) / warmup)")
        if config.cosine:
            out.line("return np.float32(LR * 0.5 * (1 + math.cos(math.pi * (now - warmup) / (end - warmup))))")
        else:
            out.line("return np.float32(LR)")


def write_main(out: Source, config: TrainConfig) -> None:
    """Write `accuracy` and `main`, and what starts it."""
    out.text(ACCURACY)
    out.gap()
    main = MAIN.replace("fed(images, rows)", "fed(images, rows, epoch)") if config.augment else MAIN
    out.text(main)
    out.gap()
    out.text(START)
