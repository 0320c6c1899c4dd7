"""Which part of a dimension is the batch, and what is left of an array when only its first samples stay."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.module.task import Array


@dataclass(frozen=True)
class BatchDimension:
    """A dimension of outer x batch x inner elements: the batch alone, or merged with others in this order."""

    outer: int = 1
    inner: int = 1

    def size(self, batch: int) -> int:
        """Its elements for so many samples."""
        return self.outer * batch * self.inner

    def __str__(self) -> str:
        parts = [str(self.outer)] * (self.outer > 1) + ["batch"] + [str(self.inner)] * (self.inner > 1)
        return " x ".join(parts)


THE_BATCH = BatchDimension()
Dimensions = Mapping[int, BatchDimension]  # by axis


def reduced_shape(shape: tuple[int, ...], dimensions: Dimensions, to: int) -> tuple[int, ...]:
    """A shape for `to` samples."""
    return tuple(dimensions[axis].size(to) if axis in dimensions else size for axis, size in enumerate(shape))


def first_samples(array: Array, dimensions: Dimensions, to: int) -> Array:
    """An array with its first `to` samples along each dimension that holds the batch."""
    for axis, dimension in dimensions.items():
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        apart = array.reshape(*before, dimension.outer, -1, dimension.inner, *after)
        kept = apart[(slice(None),) * (axis + 1) + (slice(0, to),)]
        array = kept.reshape(*before, dimension.size(to), *after)
    return array
