"""Bilinear enlargement of square images in exact integers, for networks whose own images are not at hand.

Source: specs/README.md, "Data", Upsampling.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.data.idx import Bytes


def upsample(images: Bytes, side: int) -> Bytes:
    """Images enlarged to `side`, which is at least their own.

    Shapes: (N, C, n, n) to (N, C, side, side).
    """
    weights = _weights(images.shape[-1], side)
    # Both products hold integers far below 2^53: f64 is exact, in whatever order a library adds.
    sums = weights @ images.astype(np.float64) @ weights.T
    unit = (2 * side) ** 2
    return ((sums.astype(np.int64) + unit // 2) // unit).astype(np.uint8)


@lru_cache(maxsize=4)
def _weights(n: int, side: int) -> npt.NDArray[np.float64]:
    """Row i holds what each of the n source pixels adds to pixel i, in units of 1/(2 side). Shapes: (side, n)."""
    weights = np.zeros((side, n))
    for i in range(side):
        low, rest = divmod((2 * i + 1) * n - side, 2 * side)
        weights[i, max(low, 0)] += 2 * side - rest
        weights[i, min(low + 1, n - 1)] += rest
    return weights
