"""The batch through a reshape: where it lies among the elements decides in which dimension it lies then."""

import math
from collections.abc import Iterator
from typing import Any

from harness.module.batch.dimension import BatchDimension
from harness.module.batch.rules import Implied, Place, UnfollowedError
from harness.module.mlir import shape_of


def reshape(op: Any, place: Place) -> Iterator[Implied]:
    """The dimension that the batch is merged into, or split off."""
    ends = (op.operands[0], op.results[0])
    here, there = ends if place.operand else reversed(ends)
    axis, dimension = follow(shape_of(here.type), place.axis, place.dimension, shape_of(there.type))
    yield Implied(there, axis, dimension)


def follow(
    shape: tuple[int, ...], axis: int, dimension: BatchDimension, other: tuple[int, ...]
) -> tuple[int, BatchDimension]:
    """Where the batch lies in another shape of the same elements.

    In the order of the elements, the batch is one factor of their number, with so many elements inside it. The
    dimension that has it is the one that these elements and the batch fit into.

    Raises: UnfollowedError where it is split into several dimensions.
    """
    batch = shape[axis] // (dimension.outer * dimension.inner)
    inside = dimension.inner * math.prod(shape[axis + 1 :])
    after = 1
    for number in range(len(other) - 1, -1, -1):
        size = other[number]
        if size and inside % after == 0 and size % (batch * (inside // after)) == 0:
            inner = inside // after
            return number, BatchDimension(size // (batch * inner), inner)
        after *= max(1, size)
    before, behind = ("x".join(map(str, sizes)) for sizes in (shape, other))
    raise UnfollowedError(f"it splits the batch of {batch} in {before} into several dimensions of {behind}")
