"""Bilinear enlargement of square images in exact integers, for networks whose own images are not at hand.

Source: specs/README.md, "Data", Enlarging.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from harness.data.idx import Bytes

Whole = npt.NDArray[np.int64]


def upsample(images: Bytes, side: int) -> Bytes:
    """Images enlarged to `side`, which is at least their own.

    Shapes: (N, C, n, n) to (N, C, side, side).
    """
    return np.stack([_enlarged(image, side) for image in images])  # one after the other: each fits a cache


def _enlarged(image: Bytes, side: int) -> Bytes:
    near, far, share = _neighbours(image.shape[-1], side)
    tall = _between(image[:, near, :].astype(np.int64), image[:, far, :], share[:, None], side)
    sums = _between(tall[:, :, near], tall[:, :, far], share, side)
    unit = 4 * side * side
    return ((sums + unit // 2) // unit).astype(np.uint8)


def _between(near: Whole, far: npt.NDArray[np.integer], share: Whole, side: int) -> Whole:
    """2 side times the values between two neighbours."""
    return near * (2 * side) + (far - near) * share


@lru_cache(maxsize=4)
def _neighbours(n: int, side: int) -> tuple[Whole, Whole, Whole]:
    """The two source pixels that each pixel of an axis lies between, and how near it is to the second, in 1/(2 side).

    Shapes: (side,).
    """
    places = [divmod((2 * i + 1) * n - side, 2 * side) for i in range(side)]
    near, share = np.array(places, np.int64).T
    return near.clip(min=0), (near + 1).clip(max=n - 1), share
