"""Runs a phase-3 module in the StableHLO reference interpreter that jaxlib brings along: no compiler at all.

All use of jaxlib's private interface is in this file. The interpreter knows one function, `main`, takes about a
microsecond an operation and element, and reports what it refuses on standard error only.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax.interpreters.mlir
import numpy as np
import numpy.typing as npt
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from harness.errors import EmitError

Array = npt.NDArray[Any]


def interpret(text: str, function: str, arguments: Sequence[Array]) -> list[Array]:
    """Results of one function of a module.

    Raises: EmitError when the interpreter refuses it.
    """
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        module = _alone(text, function)
        try:
            results = stablehlo.eval_module(module, [_attribute(array) for array in arguments])
        except ValueError as error:
            raise EmitError(f"{function}: the StableHLO interpreter: {error}") from None
        return [np.array(_elements(result)) for result in results]


def operations(text: str, function: str) -> int:
    """How many scalar operations the interpreter does for one call: what decides its time."""
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        return sum(_cost(op) for op in _body(_alone(text, function)))


def _alone(text: str, function: str) -> ir.Module:
    """The module with that function only, as `main`."""
    module = ir.Module.parse(text)
    for op in list(module.body.operations):
        if ir.StringAttr(op.attributes["sym_name"]).value == function:
            op.attributes["sym_name"] = ir.StringAttr.get("main")
        else:
            op.operation.erase()
    return module


def _body(module: ir.Module) -> Iterator[Any]:
    for function in module.body.operations:
        for block in function.regions[0].blocks:
            yield from block.operations


def _cost(op: Any) -> int:
    """Elements of the result; of what is reduced; multiply-adds of a product."""
    results = sum(_size(result.type) for result in op.results)
    match op.operation.name:
        case "stablehlo.reduce":
            return _size(op.operands[0].type)
        case "stablehlo.dot_general":
            numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
            shape = ir.RankedTensorType(op.operands[0].type).shape
            return results * math.prod(shape[axis] for axis in numbers.lhs_contracting_dimensions)
        case "stablehlo.convolution":
            weights = ir.RankedTensorType(op.operands[1].type).shape
            return results * math.prod(weights) // weights[-1]  # the last axis is that of the outputs: HWIO
    return results


def _size(kind: ir.Type) -> int:
    return math.prod(ir.RankedTensorType(kind).shape)


def _attribute(array: Array) -> ir.Attribute:
    """A constant of the array's shape and element type."""
    # Signless, as the function's arguments are: by default integers keep the sign that they have in numpy.
    values: Any = np.asarray(array, order="C")
    return ir.DenseElementsAttr.get(values, signless=True)


def _elements(result: ir.Attribute) -> Any:
    floats = ir.RankedTensorType(ir.ShapedType(result.type)).element_type
    return ir.DenseFPElementsAttr(result) if isinstance(floats, ir.FloatType) else ir.DenseIntElementsAttr(result)
