"""The parts of the JAX script that every network has: settings, initial parameters, learning rate and trace.

It carries its own small readers and generators on purpose: the script stands alone, and shares no arithmetic with the
programs of other pipelines.
"""

from harness.emit.source import Source
from harness.spec.netspec import DType, TrainConfig

IMPORTS = """
import hashlib
import json
import math
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# No TF32: on GPUs that have it, it is the default for float32 and keeps ten bits of the mantissa.
jax.config.update("jax_default_matmul_precision", "highest")
"""

ENVIRONMENT = '''
def fail(message) -> NoReturn:
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
    """LEAN_MLIR_MAX_STEPS as a number, or None when it is unset."""
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
        return Path(path).open(mode, **options)
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


def read_parameters(path):
    """One float32 vector in the order of PARAMS, from a file of nothing else."""
    if not path.is_file():
        fail(f"LEAN_MLIR_INIT_LOAD: {path}: no such file.")
    raw = path.read_bytes()
    if len(raw) != 4 * TOTAL_PARAMS:
        fail(f"LEAN_MLIR_INIT_LOAD: {path} has {len(raw)} bytes, expected {4 * TOTAL_PARAMS}.")
    return np.frombuffer(raw, "<f4")


def draw_parameters():
    """The same, drawn. Every tensor that is drawn has a seed of its own, one more than the one before it."""
    seed, parts = INIT_SEED, []
    for shape, (initialiser, value) in PARAMS.values():
        n = math.prod(shape)
        if initialiser == "constant":
            parts.append(np.full(n, value, np.float32))
        else:
            parts.append(draw(seed, n, math.sqrt(2 / value)))
            seed += 1
    return np.concatenate(parts)


def initial_parameters():
    """The vector to start from: read where LEAN_MLIR_INIT_LOAD says so, dumped where LEAN_MLIR_INIT_DUMP does."""
    path = os.environ.get("LEAN_MLIR_INIT_LOAD")
    flat = draw_parameters() if path is None else read_parameters(Path(path))
    if "LEAN_MLIR_INIT_DUMP" in os.environ:
        with open_output("LEAN_MLIR_INIT_DUMP", None, "wb") as dump:
            dump.write(flat.astype("<f4").tobytes())
    return flat


def unflatten(flat):
    """The vector as one array a parameter."""
    params, offset = {}, 0
    for name, (shape, _) in PARAMS.items():
        n = math.prod(shape)
        params[name] = flat[offset : offset + n].reshape(shape).astype(PARAM_DTYPE)
        offset += n
    return params
'''

TRACE = '''
@jax.jit
def norm(x):
    """Euclidean norm of a tensor of any shape."""
    return jnp.sqrt(jnp.sum(jnp.square(x)))


# One program for all tensors: by itself, JAX would compile one for every shape.
@jax.jit
def copies(tensors):
    """The same tensors in memory of their own."""
    return jax.tree.map(jnp.copy, tensors)


@jax.jit
def differences(after, before):
    """What tensors have moved by."""
    return jax.tree.map(jnp.subtract, after, before)


@jax.jit
def norms(tensors):
    """Norm of every parameter-shaped tensor, in the order of PARAMS."""
    return jnp.stack([norm(tensors[name]) for name in PARAMS])


def signs(name):
    """1 or -1 for each element of a parameter: minus where the hash of name and place has its highest bit."""
    shape, _ = PARAMS[name]
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    place = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    word = place * jnp.uint32(0x9E3779B9) + jnp.uint32(seed)
    word = (word ^ (word >> jnp.uint32(16))) * jnp.uint32(0x7FEB352D)
    word = (word ^ (word >> jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    word = word ^ (word >> jnp.uint32(16))
    return jnp.where(word >= jnp.uint32(2**31), DTYPE(-1), DTYPE(1))


@jax.jit
def projections(tensors):
    """Sum of every parameter-shaped tensor under its signs, which sees what is where and norms don't."""
    totals = []
    for name in PARAMS:
        total = signs(name) * tensors[name]
        while total.ndim:  # axis by axis, so that no sum is long
            total = jnp.sum(total, axis=-1)
        totals.append(total)
    return jnp.stack(totals)


def number(x):
    """A float for JSON, without loss; what JSON lacks is spelled as a string."""
    x = float(x)
    if math.isfinite(x):
        return x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def observations(x, labels, grads, before, params, stats):
    """The optional channels of a step: norms, projections, and a digest of the batch as the step was given it."""
    observed = {}
    moves = differences(params, before)
    for kind, tensors in (("grad", grads), ("param", before), ("update", moves)):
        values = np.asarray(norms(tensors))
        wide = values.astype(np.float64)
        observed[f"{kind}_norm"] = number(np.sqrt(np.sum(wide * wide)))
        observed[f"{kind}_norms"] = {name: number(value) for name, value in zip(PARAMS, values, strict=True)}
    for kind, tensors in (("grad", grads), ("update", moves)):
        values = np.asarray(projections(tensors))
        observed[f"{kind}_projections"] = {name: number(value) for name, value in zip(PARAMS, values, strict=True)}
    if STATS:
        observed["stat_norms"] = {name: number(norm(stats[name])) for name in STATS}
    digest = hashlib.sha256(np.asarray(x).tobytes())
    digest.update(np.asarray(labels).astype("<i4").tobytes())
    return observed | {"batch_sha256": digest.hexdigest()}
'''

WORDS = '''
def weights(name):
    """A number of 64 bits for each element of a parameter: what SplitMix64 draws from the seed that the name gives."""
    shape, _ = PARAMS[name]
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    word = jnp.uint64(seed) + jnp.arange(1, math.prod(shape) + 1, dtype=jnp.uint64) * jnp.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> jnp.uint64(30))) * jnp.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> jnp.uint64(27))) * jnp.uint64(0x94D049BB133111EB)
    return word ^ (word >> jnp.uint64(31))


@jax.jit
def word_sums(params):
    """The sum of each parameter's words of 32 bits times their weights, modulo 2^64."""
    words = {name: jax.lax.bitcast_convert_type(p, jnp.uint32).ravel() for name, p in params.items()}
    return jnp.stack([jnp.sum(weights(name) * words[name].astype(jnp.uint64)) for name in PARAMS])


def param_words(params):
    """A digest of each parameter's words, which tells two apart by a single bit."""
    return {name: f"{total:016x}" for name, total in zip(PARAMS, word_sums(params).tolist(), strict=True)}
'''


def write_parameters(out: Source, dtype: DType) -> None:
    """Write what draws, reads and dumps the initial parameters, and splits them into tensors."""
    out.text(PARAMETERS.replace("PARAM_DTYPE", "np.float32" if dtype == "wide" else "DTYPE"))


def write_learning_rate(out: Source, config: TrainConfig) -> None:
    """Write `learning_rate(step, steps_per_epoch)` with only the branches that the configuration takes."""
    with out.block("def learning_rate(step, steps_per_epoch):"):
        out.line('"""The rate of a step (from 1), computed in float64 and rounded to float32."""')
        if not (config.cosine or config.warmup_epochs):
            out.line("return np.float32(LEARNING_RATE)")
            return
        if config.schedule == "epoch":
            now, warmup, end = "epoch", "WARMUP_EPOCHS", "EPOCHS"
            out.line("epoch = (step - 1) // steps_per_epoch")
        else:
            now, warmup, end = "done", "warmup", "total"
            out.line("done = step - 1")
            if config.warmup_epochs:
                out.line("warmup = WARMUP_EPOCHS * steps_per_epoch")
            if config.cosine:
                out.line("total = EPOCHS * steps_per_epoch")
        if config.warmup_epochs:
            with out.block(f"if {now} < {warmup}:"):
                out.line(f"return np.float32(LEARNING_RATE * ({now} + 1) / {warmup})")
        if not config.cosine:
            out.line("return np.float32(LEARNING_RATE)")
        elif config.warmup_epochs:
            angle = f"math.pi * ({now} - {warmup}) / ({end} - {warmup})"
            out.line(f"return np.float32(LEARNING_RATE * 0.5 * (1 + math.cos({angle})))")
        else:
            out.line(f"return np.float32(LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * {now} / {end})))")
