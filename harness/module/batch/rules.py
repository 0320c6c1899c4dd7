"""What the batch in one dimension of an operation says about its other dimensions: one rule for each kind.

A rule is asked about a *place*: an axis of an operand or a result that holds the batch. It yields the values and axes
that then hold it too, `SUMMED` where samples are summed, and refuses what does not keep samples apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.errors import ModuleError
from harness.module.batch.dimension import BatchDimension
from harness.module.mlir import ir, shape_of


class UnfollowedError(ModuleError):
    """Why the batch cannot be followed through an operation."""


@dataclass(frozen=True)
class Place:
    """An axis of an operand or of a result of an operation, and how the batch lies in it."""

    operand: bool
    number: int
    axis: int
    dimension: BatchDimension


@dataclass(frozen=True)
class Implied:
    """A value that holds the batch too, and where; no value where samples are summed."""

    value: Any
    axis: int
    dimension: BatchDimension


SUMMED = Implied(None, 0, BatchDimension())
Rule = Callable[[Any, Place], Iterator[Implied]]


def numbers(op: Any, name: str) -> list[int]:
    """Whole numbers of an attribute: an array, or a tensor of any rank in its order; none where it is left out."""
    if name not in op.attributes:
        return []
    attribute = op.attributes[name]
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return [int(value) for value in attribute]
    if isinstance(attribute, ir.DenseIntElementsAttr) and attribute.is_splat:
        count = 1
        for size in ir.ShapedType(attribute.type).shape:
            count *= size
        return [int(ir.IntegerAttr(attribute.get_splat_value()).value)] * count
    return [int(value) for value in ir.DenseIntElementsAttr(attribute)]


def number(op: Any, name: str, default: int = 1) -> int:
    """A whole number of an attribute."""
    return int(ir.IntegerAttr(op.attributes[name]).value) if name in op.attributes else default


def rank(value: Any) -> int:
    """Number of dimensions of a value."""
    return len(shape_of(value.type))


def alike(op: Any, place: Place) -> Iterator[Implied]:
    """Everything of the same rank, axis by axis; a single number beside it holds no samples."""
    own = place_value(op, place)
    for value in (*op.operands, *op.results):
        if rank(value) == rank(own):
            yield Implied(value, place.axis, place.dimension)


def each(op: Any, place: Place) -> Iterator[Implied]:
    """Each operand with the result of the same number."""
    yield Implied(op.operands[place.number], place.axis, place.dimension)
    yield Implied(op.results[place.number], place.axis, place.dimension)


def place_value(op: Any, place: Place) -> Any:
    """The operand or result of a place."""
    return (op.operands if place.operand else op.results)[place.number]


def source(op: Any, place: Place) -> Iterator[Implied]:
    """A constant has the dimension, and nothing else follows."""
    return iter(())


def iota(op: Any, place: Place) -> Iterator[Implied]:
    """What is counted along the batch: the first samples have the first numbers, unless something lies outside."""
    if number(op, "iota_dimension") == place.axis and place.dimension.outer > 1:
        raise UnfollowedError("it counts along a dimension in which the batch is not the outermost part")
    return iter(())


def transpose(op: Any, place: Place) -> Iterator[Implied]:
    """The axis that it becomes, or was."""
    order = numbers(op, "permutation")
    if place.operand:
        yield Implied(op.results[0], order.index(place.axis), place.dimension)
    else:
        yield Implied(op.operands[0], order[place.axis], place.dimension)


def broadcast_in_dim(op: Any, place: Place) -> Iterator[Implied]:
    """The axis that it becomes; back, where it is not repeated along it."""
    axes = numbers(op, "broadcast_dimensions")
    if place.operand:
        yield Implied(op.results[0], axes[place.axis], place.dimension)
    elif place.axis in axes:
        behind = axes.index(place.axis)
        if shape_of(op.operands[0].type)[behind] == shape_of(op.results[0].type)[place.axis]:
            yield Implied(op.operands[0], behind, place.dimension)


def reduce(op: Any, place: Place) -> Iterator[Implied]:
    """What is left of the axes; samples that are reduced over are summed."""
    reduced, arrays = numbers(op, "dimensions"), len(op.results)
    if place.operand and place.number >= arrays:
        return
    kept = [axis for axis in range(rank(op.operands[0])) if axis not in reduced]
    axis = place.axis if place.operand else kept[place.axis]
    for value in list(op.operands)[:arrays]:
        yield Implied(value, axis, place.dimension)
    if axis in reduced:
        yield SUMMED
    else:
        for value in op.results:
            yield Implied(value, kept.index(axis), place.dimension)


def reduce_window(op: Any, place: Place) -> Iterator[Implied]:
    """Axes along which a window is one element."""
    if place.operand and place.number >= len(op.results):
        return
    _plain_window(op, place.axis)
    yield from _arrays(op, len(op.results), place)


def select_and_scatter(op: Any, place: Place) -> Iterator[Implied]:
    """Operand, source and result, along axes where a window is one element."""
    _plain_window(op, place.axis)
    yield from _arrays(op, 2, place)


def pad(op: Any, place: Place) -> Iterator[Implied]:
    """Axes that are not padded."""
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    if any(numbers(op, name)[place.axis] for name in names):
        raise UnfollowedError("it pads along the batch")
    yield from _arrays(op, 1, place)


def concatenate(op: Any, place: Place) -> Iterator[Implied]:
    """All parts, unless it is samples that are put together."""
    if number(op, "dimension") == place.axis:
        raise UnfollowedError("it puts parts together along the batch")
    yield from alike(op, place)


def slice_(op: Any, place: Place) -> Iterator[Implied]:
    """Axes that are taken whole."""
    size = shape_of(op.operands[0].type)[place.axis]
    taken = [numbers(op, name)[place.axis] for name in ("start_indices", "limit_indices", "strides")]
    if taken != [0, size, 1]:
        raise UnfollowedError(f"it takes a part of the batch, [{':'.join(map(str, taken))}] of {size}")
    yield from alike(op, place)


def dynamic_slice(op: Any, place: Place) -> Iterator[Implied]:
    """Axes that are taken whole."""
    if shape_of(op.operands[0].type)[place.axis] != shape_of(op.results[0].type)[place.axis]:
        raise UnfollowedError("it takes a part of the batch")
    yield from _arrays(op, 1, place)


def dynamic_update_slice(op: Any, place: Place) -> Iterator[Implied]:
    """Axes that are written whole."""
    if shape_of(op.operands[1].type)[place.axis] != shape_of(op.results[0].type)[place.axis]:
        raise UnfollowedError("it writes a part of the batch")
    yield from _arrays(op, 2, place)


def reverse(op: Any, place: Place) -> Iterator[Implied]:
    """Axes whose order stays."""
    if place.axis in numbers(op, "dimensions"):
        raise UnfollowedError("it turns the order of the samples round")
    yield from alike(op, place)


def sort(op: Any, place: Place) -> Iterator[Implied]:
    """Axes along which nothing moves."""
    if number(op, "dimension", -1) in (place.axis, place.axis - rank(op.operands[0])):
        raise UnfollowedError("it sorts the samples")
    yield from alike(op, place)


def top_k(op: Any, place: Place) -> Iterator[Implied]:
    """The largest along the last axis: the others stay."""
    if place.axis == rank(op.operands[0]) - 1:
        raise UnfollowedError("it takes the largest of the samples")
    yield from alike(op, place)


def bitcast_convert(op: Any, place: Place) -> Iterator[Implied]:
    """The same axes: one that the bits of an element are split into is a last one more."""
    for value in (op.operands[0], op.results[0]):
        if place.axis >= rank(value):
            raise UnfollowedError("the bits of an element lie along the batch")
        yield Implied(value, place.axis, place.dimension)


def _plain_window(op: Any, axis: int) -> None:
    count = rank(op.operands[0])
    ones = [1] * count
    window = numbers(op, "window_dimensions") or ones
    strides = numbers(op, "window_strides") or ones
    dilations = (numbers(op, "base_dilations") or ones, numbers(op, "window_dilations") or ones)
    padding = numbers(op, "padding") or [0] * (2 * count)
    moved = window[axis] != 1 or strides[axis] != 1 or any(one[axis] != 1 for one in dilations)
    if moved or any(padding[2 * axis : 2 * axis + 2]):
        raise UnfollowedError("its window takes several samples together")


def _arrays(op: Any, operands: int, place: Place) -> Iterator[Implied]:
    """The first operands, and the results."""
    for value in (*list(op.operands)[:operands], *op.results):
        yield Implied(value, place.axis, place.dimension)
