"""The initial parameters: the generator and the file that both pipelines start from.

Source: specs/README.md, "Initial parameters".
"""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.errors import ContractError, SpecError
from harness.spec.run_config import DEFAULT_INIT_SEED, Start
from harness.system.files import replace_file

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

# A stressed start: what is zero becomes so large that its exponential overflows in f32, and what is drawn so small that
# differences are small beside it.
_STRESSED_ZERO, _STRESSED_SCALE = np.float32(300), np.float32(0.1)

_BITS = np.arange(64, dtype=np.uint64)
_MASK = 2**64 - 1
_LANES = 4096  # lanes advanced together: 32 KiB of state, which stays in the first-level cache
_BLOCK = 64  # values that a lane makes before they are transposed into the output; a power of two, as lane lengths are


class Parameter(Protocol):
    """Facts of one tensor that the generator needs."""

    @property
    def name(self) -> str:
        """Name as in errors and traces, e.g. `conv1.w`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Row-major shape of the tensor."""

    @property
    def init(self) -> str:
        """`he_normal` (drawn), `zeros` or `ones`."""

    @property
    def fan_in(self) -> int | None:
        """Inputs of one output unit; read for `he_normal` only."""


def draw(seed: int, n: int, scale: float) -> Floats:
    """n values of f32(2 (u1 + u2 + u3 - 3/2)) * f32(scale), u from one xorshift64 stream that starts at seed + 1.

    The stream is sequential but its step is linear over GF(2), so it is cut into lanes of 2^k values whose starts are
    found by jumping ahead; the lanes then advance side by side. The result equals the sequential one bit for bit.

    Shapes: (n,).
    Raises: ContractError when the seed is not an unsigned 64-bit number.
    """
    if not 0 <= seed <= _MASK:
        raise ContractError(f"init seed {seed} is out of range; expected 0 to {_MASK}.")
    if n == 0:
        return np.empty(0, np.float32)
    log_length = max(0, (-(-n // _LANES) - 1).bit_length())
    length = 1 << log_length
    state = _lane_starts((seed + 1) & _MASK, -(-n // length), log_length)
    out = np.empty((state.size, length), np.float32)
    shifted, uniform = np.empty_like(state), np.empty(state.size, np.float32)
    block = np.empty((min(_BLOCK, length), state.size), np.float32)
    factor = np.float32(scale)
    for start in range(0, length, len(block)):
        for row in block:
            row.fill(0)
            for _ in range(3):
                _advance(state, shifted)
                uniform[:] = state  # u64 to f32, to nearest even
                np.multiply(uniform, np.float32(2**-64), out=uniform)
                np.subtract(uniform, np.float32(0.5), out=uniform)
                np.add(row, uniform, out=row)
        block *= np.float32(2)
        block *= factor
        out[:, start : start + len(block)] = block.T
    return out.reshape(-1)[:n]


def initial_parameters(
    table: Iterable[Parameter], init_seed: int = DEFAULT_INIT_SEED, start: Start = "drawn"
) -> Iterator[Floats]:
    """Every tensor of the table in order; the first that draws uses `init_seed`, each next one that draws one more.

    A stressed start has a tenth of every drawn value, and 300 for every zero.

    Raises: SpecError for an unknown initialiser, naming the parameter.
    """
    seed = init_seed
    scale, zero = (_STRESSED_SCALE, _STRESSED_ZERO) if start == "stressed" else (np.float32(1), np.float32(0))
    for parameter in table:
        match parameter.init:
            case "he_normal":
                if parameter.fan_in is None or parameter.fan_in < 1:
                    raise SpecError(f"parameter '{parameter.name}': fan_in is {parameter.fan_in}; expected at least 1.")
                values = draw(seed, math.prod(parameter.shape), math.sqrt(2 / parameter.fan_in))
                yield scale * values.reshape(parameter.shape)
                seed += 1
            case "zeros":
                yield np.full(parameter.shape, zero)
            case "ones":
                yield np.ones(parameter.shape, np.float32)
            case other:
                raise SpecError(f"parameter '{parameter.name}': unknown init '{other}'. Use he_normal, zeros or ones.")


def write_init(
    path: Path, table: Sequence[Parameter], init_seed: int = DEFAULT_INIT_SEED, start: Start = "drawn"
) -> str:
    """Write the parameters as raw little-endian float32, without header or padding, and return the file's SHA-256.

    Raises: ContractError when the file cannot be written; the old file, if any, is then untouched.
    """
    digest = hashlib.sha256()
    try:
        with replace_file(path) as file:
            for values in initial_parameters(table, init_seed, start):
                data = values.astype("<f4", copy=False).data.cast("B") if values.size else b""
                digest.update(data)
                file.write(data)
    except OSError as error:
        raise ContractError(f"{path}: the initial parameters cannot be written: {error.strerror or error}.") from None
    return digest.hexdigest()


def read_init(path: Path, total_params: int) -> Floats:
    """All parameters of a file as one vector.

    Shapes: (total_params,).
    Raises: ContractError when the file is absent or its length is not 4 * total_params bytes.
    """
    expected = 4 * total_params
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            data = file.read() if found == expected else b""
    except OSError as error:
        raise ContractError(f"{path}: the initial parameters cannot be read: {error.strerror or error}.") from None
    if found != expected:
        way = "short" if found < expected else "long"
        raise ContractError(
            f"{path}: {found} bytes found, {expected} expected for {total_params} parameters: "
            f"{abs(found - expected)} too {way}. Write it again with `harness init` for this network."
        )
    return np.frombuffer(data, "<f4").astype(np.float32)


def _advance(state: Words, shifted: Words) -> None:
    """One xorshift64 step of every lane, in place."""
    np.left_shift(state, np.uint64(13), out=shifted)
    np.bitwise_xor(state, shifted, out=state)
    np.right_shift(state, np.uint64(7), out=shifted)
    np.bitwise_xor(state, shifted, out=state)
    np.left_shift(state, np.uint64(17), out=shifted)
    np.bitwise_xor(state, shifted, out=state)


def _lane_starts(first: int, lanes: int, log_length: int) -> Words:
    """States from which lanes of 2^log_length values start: the first 2^k, moved on by 2^k lanes, are the next 2^k."""
    starts = np.array([first], np.uint64)
    while starts.size < lanes:
        doubling = starts.size.bit_length() - 1
        starts = np.concatenate([starts, _apply(_jump(log_length + doubling), starts)])
    return starts[:lanes].copy()


@cache
def _jump(log_values: int) -> Words:
    """The map that moves a state on by 2^log_values values (three steps each), as the images of its 64 unit vectors."""
    if log_values == 0:
        columns = np.left_shift(np.uint64(1), _BITS)
        shifted = np.empty_like(columns)
        for _ in range(3):
            _advance(columns, shifted)
        return columns
    half = _jump(log_values - 1)
    return _apply(half, half)


def _apply(columns: Words, states: Words) -> Words:
    """The linear map over GF(2) applied to every state: XOR of the columns at its set bits."""
    bits = np.right_shift(states[:, None], _BITS) & np.uint64(1)
    image: Words = np.bitwise_xor.reduce(bits * columns, axis=1)
    return image
