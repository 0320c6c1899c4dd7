"""A function made anew for fewer samples: types and attributes by where the batch is."""

from typing import Any

import numpy as np

from harness.module.batch.dimension import Dimensions, first_samples, reduced_shape
from harness.module.batch.following import FollowedBatch, told
from harness.module.batch.indexing import gathered_sizes
from harness.module.batch.products import group_count
from harness.module.batch.rules import UnfollowedError, numbers
from harness.module.clone import Cloner
from harness.module.mlir import ir, kind_of, shape_of


class BatchCutter(Cloner):
    """Clones a function with `to` samples in the place of `batch`, which `followed` says where to find."""

    def __init__(self, followed: FollowedBatch, batch: int, to: int) -> None:
        self._followed, self._batch, self._to = followed, batch, to

    def value_type(self, value: Any) -> Any:
        """The type for fewer samples."""
        dimensions = self._followed.of(value)
        if not dimensions:
            return value.type
        kind = ir.RankedTensorType(value.type)
        return ir.RankedTensorType.get(self._shape(value, dimensions), kind.element_type, kind.encoding)

    def result_type(self, op: Any, result: Any) -> Any:
        return self.value_type(result)

    def attributes(self, op: Any) -> dict[str, Any]:
        """Those of the original but for what says how many samples there are."""
        given = super().attributes(op)
        kind = kind_of(op)
        if kind == "constant":
            dimensions = self._followed.of(op.results[0])
            given |= {"value": self._constant(op, dimensions)} if dimensions else {}
        elif kind == "slice":
            dimensions = self._followed.of(op.results[0])
            limits = numbers(op, "limit_indices")
            for axis in dimensions:
                limits[axis] = dimensions[axis].size(self._to)
            given["limit_indices"] = ir.DenseI64ArrayAttr.get(limits)
        elif kind in ("gather", "dynamic_slice"):
            sizes = gathered_sizes(op, self._followed.of(op.operands[0]), self._to)
            given["slice_sizes"] = ir.DenseI64ArrayAttr.get(sizes)
        elif kind == "convolution":
            for name in ("feature_group_count", "batch_group_count"):
                count = group_count(name, op, self._followed.of(op.operands[1]), self._batch, self._to)
                given[name] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), count)
        return given

    def _shape(self, value: Any, dimensions: Dimensions) -> tuple[int, ...]:
        return reduced_shape(shape_of(value.type), dimensions, self._to)

    def _constant(self, op: Any, dimensions: Dimensions) -> Any:
        """The first samples of a constant."""
        attribute, kind = op.attributes["value"], self.value_type(op.results[0])
        if not isinstance(attribute, ir.DenseElementsAttr):
            raise UnfollowedError(f"{told(op)}: it holds samples and lies in a resource section. Write it as dense<…>")
        if attribute.is_splat:
            return ir.DenseElementsAttr.get_splat(kind, attribute.get_splat_value())
        try:
            kept = first_samples(np.array(attribute), dimensions, self._to)
        except (TypeError, ValueError):
            raise UnfollowedError(f"{told(op)}: it holds samples, and numbers of {kind} cannot be read") from None
        if kept.dtype == np.bool_:
            return ir.DenseElementsAttr.get(np.ascontiguousarray(kept))
        return ir.DenseElementsAttr.get(np.ascontiguousarray(kept), type=kind)
