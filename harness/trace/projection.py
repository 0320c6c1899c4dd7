"""A fixed random projection of a tensor: one number that sees signs and permutations, which a norm does not.

The sum of all elements, each under a sign that depends on the tensor's name and on the element's place alone. Two
tensors that are apart by e are apart by about |e| in it, in whatever direction e points; their norms differ by the part
of e that points along them.
"""

import hashlib
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

# A mixing function of 32-bit words in which each bit of the argument flips each bit of the result half of the time.
STRIDE, MULTIPLIERS, SHIFTS = 0x9E3779B9, (0x7FEB352D, 0x846CA68B), (16, 15, 16)
Kind = Literal["f4", "f8"]
_KEPT_SIGNS = 64  # tensors, and only small ones, so that a large network's take no memory
_SMALL = 1 << 20


def projection_seed(name: str) -> int:
    """The first four bytes of the name's SHA-256, little-endian."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def project(name: str, x: npt.NDArray[np.floating]) -> float:
    """The projection of a tensor, added up in f64.

    Shapes: x, that of the parameter in the table; its elements count in row-major order. Units: those of x.
    """
    return float(np.asarray(x, np.float64).ravel() @ signs(name, x.size, "f8"))


def signs(name: str, n: int, kind: Kind) -> npt.NDArray[np.floating]:
    """The signs of a tensor of n elements, in f32 or f64. Shapes: (n,)."""
    return _kept_signs(name, n, kind) if n <= _SMALL else _signs(name, n, kind)


def _signs(name: str, n: int, kind: Kind) -> npt.NDArray[np.floating]:
    """1 or -1 for each element: minus where the mixed word has its highest bit. Shapes: (n,)."""
    with np.errstate(over="ignore"):
        word = np.arange(n, dtype=np.uint32) * np.uint32(STRIDE) + np.uint32(projection_seed(name))
        word ^= word >> np.uint32(SHIFTS[0])
        for multiplier, shift in zip(MULTIPLIERS, SHIFTS[1:], strict=True):
            word *= np.uint32(multiplier)
            word ^= word >> np.uint32(shift)
    return np.where(word >> np.uint32(31), np.dtype(kind).type(-1), np.dtype(kind).type(1))


_kept_signs = lru_cache(_KEPT_SIGNS)(_signs)
