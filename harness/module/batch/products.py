"""The batch through products: kept, matched, or summed over; in convolutions also as channels and as groups."""

from collections.abc import Iterator
from typing import Any

from harness.module.batch.dimension import BatchDimension
from harness.module.batch.rules import SUMMED, Implied, Place, UnfollowedError, number, rank
from harness.module.mlir import shape_of, stablehlo


def dot_general(op: Any, place: Place) -> Iterator[Implied]:
    """Result axes are the batching ones, the free ones of the left, the free ones of the right."""
    given = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    batching = (list(given.lhs_batching_dimensions), list(given.rhs_batching_dimensions))
    return _product(
        op, place, batching, (list(given.lhs_contracting_dimensions), list(given.rhs_contracting_dimensions))
    )


def dot(op: Any, place: Place) -> Iterator[Implied]:
    """The last axis of the left meets the first one of the right."""
    return _product(op, place, ([], []), ([rank(op.operands[0]) - 1], [0]))


def _product(
    op: Any, place: Place, batching: tuple[list[int], list[int]], contracting: tuple[list[int], list[int]]
) -> Iterator[Implied]:
    free = tuple(
        [axis for axis in range(rank(op.operands[side])) if axis not in batching[side] + contracting[side]]
        for side in (0, 1)
    )
    groups = len(batching[0])
    if not place.operand:
        at = place.axis - groups
        if at < 0:
            yield from _both(op, batching, place.axis, place.dimension)
        elif at < len(free[0]):
            yield Implied(op.operands[0], free[0][at], place.dimension)
        else:
            yield Implied(op.operands[1], free[1][at - len(free[0])], place.dimension)
        return
    side, axis = place.number, place.axis
    if axis in batching[side]:
        at = batching[side].index(axis)
        yield from _both(op, batching, at, place.dimension)
        yield Implied(op.results[0], at, place.dimension)
    elif axis in contracting[side]:
        yield from _both(op, contracting, contracting[side].index(axis), place.dimension)
        yield SUMMED
    else:
        at = groups + free[side].index(axis) + (len(free[0]) if side else 0)
        yield Implied(op.results[0], at, place.dimension)


def _both(op: Any, axes: tuple[list[int], list[int]], at: int, dimension: BatchDimension) -> Iterator[Implied]:
    for side in (0, 1):
        yield Implied(op.operands[side], axes[side][at], dimension)


def convolution(op: Any, place: Place) -> Iterator[Implied]:
    """Samples stay samples; as channels of the input they are summed over, as those of the kernel they are kept.

    With groups, channels of the input are groups x i and those of kernel and result groups x o, and the batch lies in
    one of both parts. With batch groups, samples of the input are groups x b instead.
    """
    axes = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    x, w, y = op.operands[0], op.operands[1], op.results[0]
    named = {
        "x.b": (x, axes.input_batch_dimension),
        "x.f": (x, axes.input_feature_dimension),
        "w.i": (w, axes.kernel_input_feature_dimension),
        "w.o": (w, axes.kernel_output_feature_dimension),
        "y.b": (y, axes.output_batch_dimension),
        "y.f": (y, axes.output_feature_dimension),
    }
    prefix = "xw"[place.number] if place.operand else "y"
    here = next((name for name, (_, axis) in named.items() if name[0] == prefix and axis == place.axis), None)
    if here is None:
        raise UnfollowedError("the batch is a spatial dimension of it")
    sizes = {name: shape_of(held.type)[axis] for name, (held, axis) in named.items()}

    def at(name: str, dimension: BatchDimension) -> Implied:
        return Implied(*named[name], dimension)

    features, batches = number(op, "feature_group_count"), number(op, "batch_group_count")
    groups = features * batches  # one of both is 1
    whole = "x.b" if batches > 1 else "x.f"  # what the groups divide
    part, size = ("y.b", sizes["y.b"]) if batches > 1 else ("w.i", sizes["w.i"])
    dimension = place.dimension
    if here in ("w.o", "y.f"):
        yield at("w.o" if here == "y.f" else "y.f", dimension)
        each = sizes["w.o"] // groups
        if groups > 1 and dimension.inner % each == 0:
            yield at(whole, BatchDimension(dimension.outer, dimension.inner // each * size))
        elif dimension.outer % groups:
            raise UnfollowedError(f"its {groups} groups divide the batch")
    elif here == whole:
        if dimension.outer % groups == 0:
            yield at(part, BatchDimension(dimension.outer // groups, dimension.inner))
            if part == "w.i":
                yield SUMMED
        elif dimension.inner % size == 0:
            inner = dimension.inner // size * (sizes["w.o"] // groups)
            yield at("w.o", BatchDimension(dimension.outer, inner))
            yield at("y.f", BatchDimension(dimension.outer, inner))
        else:
            raise UnfollowedError(f"its {groups} groups divide the batch")
    elif here == part:
        yield at(whole, BatchDimension(dimension.outer * groups, dimension.inner))
        if part == "w.i":
            yield SUMMED
    elif here in ("x.b", "y.b"):
        yield at("y.b" if here == "x.b" else "x.b", dimension)
    else:  # channels of input and kernel, where batch groups leave them whole
        yield at("w.i" if here == "x.f" else "x.f", dimension)
        yield SUMMED


def group_count(name: str, op: Any, dimensions: dict[int, BatchDimension], batch: int, to: int) -> int:
    """Groups of a convolution for `to` samples, by where the batch lies in the channels of its kernel's result."""
    count = number(op, name)
    axes = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    held = dimensions.get(axes.kernel_output_feature_dimension)
    if count == 1 or held is None:
        return count
    each = shape_of(op.operands[1].type)[axes.kernel_output_feature_dimension] // count
    return count // batch * to if held.inner % each == 0 else count
