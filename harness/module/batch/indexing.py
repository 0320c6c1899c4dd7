"""The batch through gather and scatter: samples may be read and written whole, or each at its own number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.module.batch.dimension import THE_BATCH, BatchDimension
from harness.module.batch.reshaping import follow
from harness.module.batch.rules import SUMMED, Implied, Place, UnfollowedError, number, numbers, rank
from harness.module.mlir import ir, kind_of, shape_of, stablehlo


@dataclass(frozen=True)
class _Indexed:
    """What gather and scatter have in common, by axes. `array`: what is read or written; `windows`: what is taken.

    `free`: axes of the array that a window has too, in the order of `offsets`, which are the window's axes of them;
    `picked`: axes of the array at which an index says where, with its number in the index; `paired`: axes of the array
    and of the indices that go together.
    """

    array: Any
    indices: Any
    windows: Any
    free: Sequence[int]
    offsets: Sequence[int]
    picked: dict[int, int]
    paired: dict[int, int]
    vector: int

    def window_axis(self, axis: int) -> int:
        """The axis of a window that belongs to one of the indices."""
        others = [i for i in range(rank(self.windows)) if i not in self.offsets]
        return others[[i for i in range(rank(self.indices)) if i != self.vector].index(axis)]

    def index_axis(self, axis: int) -> int:
        """The axis of the indices that belongs to one of a window."""
        others = [i for i in range(rank(self.windows)) if i not in self.offsets]
        return [i for i in range(rank(self.indices)) if i != self.vector][others.index(axis)]

    def from_array(self, axis: int, dimension: BatchDimension) -> Iterator[Implied]:
        """Where else the batch is, if it is that axis of the array."""
        if axis in self.paired:
            yield from self.from_indices(self.paired[axis], dimension)
        elif axis in self.free:
            at = self.offsets[self.free.index(axis)]
            if shape_of(self.windows.type)[at] != shape_of(self.array.type)[axis]:
                raise UnfollowedError("its windows hold a part of the batch")
            yield Implied(self.windows, at, dimension)
        else:
            counted = self._counted(self.picked[axis]) if dimension == THE_BATCH else None
            if counted is None:
                raise UnfollowedError("it picks samples by an index that is not each sample's own number")
            yield from self.from_indices(counted, dimension)

    def from_indices(self, axis: int, dimension: BatchDimension) -> Iterator[Implied]:
        """Where else the batch is, if it is that axis of the indices."""
        if axis == self.vector:
            raise UnfollowedError("the batch lies within an index")
        yield Implied(self.indices, axis, dimension)
        yield Implied(self.windows, self.window_axis(axis), dimension)
        for own, other in self.paired.items():
            if other == axis:
                yield Implied(self.array, own, dimension)
        length = shape_of(self.indices.type)[axis]
        for own, component in self.picked.items():
            rows = own not in self.free and shape_of(self.array.type)[own] == length
            if rows and dimension == THE_BATCH and self._counted(component) == axis:
                yield Implied(self.array, own, dimension)

    def from_windows(self, axis: int, dimension: BatchDimension) -> Iterator[Implied]:
        """Where else the batch is, if it is that axis of the windows."""
        if axis not in self.offsets:
            yield from self.from_indices(self.index_axis(axis), dimension)
            return
        own = self.free[list(self.offsets).index(axis)]
        if shape_of(self.windows.type)[axis] != shape_of(self.array.type)[own]:
            raise UnfollowedError("its windows hold a part of the batch")
        yield Implied(self.array, own, dimension)

    def _counted(self, component: int) -> int | None:
        """The axis of the indices along which a component of the index counts; None where it does not."""
        value = self.indices
        if self.vector < rank(value) and not isinstance(value.owner, ir.Block):
            op = value.owner
            if op.operation.name == "stablehlo.concatenate" and number(op, "dimension") == self.vector:
                for part in op.operands:
                    width = shape_of(part.type)[self.vector]
                    if component < width:
                        value = part
                        break
                    component -= width
        if self.vector < rank(value) and shape_of(value.type)[self.vector] != 1:
            return None
        return counting_axis(value)


def gather(op: Any, place: Place) -> Iterator[Implied]:
    """Read whole, paired with the indices, or each sample at its own number."""
    given = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    array, indices = op.operands
    paired = dict(zip(given.operand_batching_dims, given.start_indices_batching_dims, strict=True))
    taken = [*given.collapsed_slice_dims, *paired]
    indexed = _Indexed(
        array,
        indices,
        op.results[0],
        [axis for axis in range(rank(array)) if axis not in taken],
        list(given.offset_dims),
        {axis: number for number, axis in enumerate(given.start_index_map)},
        paired,
        int(given.index_vector_dim),
    )
    if not place.operand:
        yield from indexed.from_windows(place.axis, place.dimension)
    elif place.number == 0:
        yield from indexed.from_array(place.axis, place.dimension)
    else:
        yield from indexed.from_indices(place.axis, place.dimension)


def scatter(op: Any, place: Place) -> Iterator[Implied]:
    """Written whole, paired with the indices, or each sample at its own number; several may meet in one place."""
    given = stablehlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
    count = len(op.results)
    arrays, indices, updates = list(op.operands)[:count], op.operands[count], list(op.operands)[count + 1 :]
    paired = dict(zip(given.input_batching_dims, given.scatter_indices_batching_dims, strict=True))
    taken = [*given.inserted_window_dims, *paired]
    indexed = _Indexed(
        arrays[0],
        indices,
        updates[0],
        [axis for axis in range(rank(arrays[0])) if axis not in taken],
        list(given.update_window_dims),
        {axis: number for number, axis in enumerate(given.scattered_dims_to_operand_dims)},
        paired,
        int(given.index_vector_dim),
    )
    if not place.operand or place.number < count:
        found = list(indexed.from_array(place.axis, place.dimension))
        found += [Implied(value, place.axis, place.dimension) for value in (*arrays, *op.results)]
    elif place.number == count:
        found = list(indexed.from_indices(place.axis, place.dimension))
    else:
        found = list(indexed.from_windows(place.axis, place.dimension))
        found += [Implied(value, place.axis, place.dimension) for value in updates]
    yield from found
    yield SUMMED


def gathered_sizes(op: Any, dimensions: dict[int, BatchDimension], to: int) -> list[int]:
    """What a gather or a dynamic slice takes of each axis for `to` samples."""
    shape = shape_of(op.operands[0].type)
    return [
        dimensions[axis].size(to) if axis in dimensions and taken == shape[axis] else taken
        for axis, taken in enumerate(numbers(op, "slice_sizes"))
    ]


def counting_axis(value: Any) -> int | None:
    """The axis along which the elements of a value are 0, 1, 2 and so on; None where that is not seen.

    A negative index is counted from the end in many programs: of two alternatives, the one for such an index is never
    taken.
    """
    if isinstance(value.owner, ir.Block):
        return None
    op, kind = value.owner, kind_of(value.owner)
    if kind == "iota":
        return number(op, "iota_dimension")
    if kind == "select":
        asked = op.operands[0].owner
        negative = not isinstance(asked, ir.Block) and asked.operation.name == "stablehlo.compare"
        if negative and "LT" in str(asked.attributes["comparison_direction"]):
            behind = counting_axis(asked.operands[0])
            return behind if behind == counting_axis(op.operands[2]) else None
        return None
    if kind not in ("convert", "broadcast_in_dim", "reshape"):
        return None
    axis = counting_axis(op.operands[0])
    if axis is None or kind == "convert":
        return axis
    before, after = shape_of(op.operands[0].type), shape_of(value.type)
    if kind == "broadcast_in_dim":
        becomes = numbers(op, "broadcast_dimensions")[axis]
        return becomes if before[axis] == after[becomes] else None
    try:
        becomes, dimension = follow(before, axis, THE_BATCH, after)
    except UnfollowedError:
        return None
    return becomes if dimension == THE_BATCH else None
