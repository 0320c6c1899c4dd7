"""Words of parameters: the 32 bits of each element, and a digest of a tensor's by which runs are held to each other.

The digest is a sum in which every word has a weight of its own. It differs where any bit does, and of two tensors of
which a single word differs the digests tell which one, and by how much. Source: traces/README.md, Words.
"""

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt

# SplitMix64, a generator whose k-th output depends on the seed and k alone.
_STRIDE, _MULTIPLIERS, _SHIFTS = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB), (30, 27, 31)
_MOST_FOR_PAIRS = 1 << 23

Weights = npt.NDArray[np.uint64]


def words_digest(name: str, x: npt.NDArray[np.float32]) -> str:
    """The digest of a tensor: 64 bits in hexadecimal.

    Shapes: x, that of the parameter in the table; its elements count in row-major order.
    """
    words = np.ascontiguousarray(x, np.dtype("<f4")).ravel().view(np.uint32)
    return f"{int(np.dot(_kept_weights(name, x.size), words.astype(np.uint64))):016x}"


def word_weights(name: str, n: int) -> Weights:
    """The weights of the first elements of a parameter, modulo 2^64. Shapes: the result (n,)."""
    seed = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    word = seed + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_STRIDE)
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(multiplier)
    weights: Weights = word ^ (word >> np.uint64(_SHIFTS[-1]))
    return weights


def words_apart(name: str, a: str, b: str, n: int) -> int | None:
    """How many words two digests of a parameter are apart, each by one unit in the last place: 1 or 2; else None.

    `n`: the elements that it may have. A sum of the weights of more words, or of other multiples of them, is equal to
    one or two of them by chance only: of 2^64 numbers, about 2 n^2 are such a sum.
    """
    apart = np.uint64((int(b, 16) - int(a, 16)) % 2**64)
    weights = word_weights(name, n)
    signed = np.concatenate([weights, ~weights + np.uint64(1)])  # up, and down
    if (signed == apart).any():
        return 1
    if n > _MOST_FOR_PAIRS:
        return None
    signed.sort()
    rest = apart - signed
    found = signed[np.searchsorted(signed, rest).clip(max=len(signed) - 1)] == rest
    return 2 if (found & (rest != signed)).any() else None  # not one word twice


_kept_weights = cache(word_weights)  # as much memory as one slot of the optimizer
