"""Runs a phase-3 module in the StableHLO reference interpreter that jaxlib brings along: no compiler at all.

Only this file calls the interpreter, which is no public interface of jaxlib. It knows one function, `main`, takes about
a microsecond an operation and element, and reports what it refuses on standard error only.
"""

import math
from collections.abc import Callable, Sequence
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
        module = _with_main(text, function)
        given = [_attribute(array) for array in arguments]
        try:
            results = stablehlo.eval_module(module, given)
        except ValueError as error:
            raise EmitError(f"{function}: the StableHLO interpreter: {error}") from None
        return [np.array(_elements(result)) for result in results]


def operations(text: str, function: str) -> int:
    """Number of scalar operations of the interpreter in one call, which determine its time."""
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        module = ir.Module.parse(text)  # has to outlive its operations
        functions = {_name(op): op for op in module.body.operations}

        def work(name: str) -> int:
            return sum(_cost(op, work) for op in functions[name].regions[0].blocks[0].operations)

        return work(function)


def _with_main(text: str, function: str) -> ir.Module:
    """The module with that function called `main`."""
    module = ir.Module.parse(text)
    for op in module.body.operations:
        if _name(op) == function:
            op.attributes["sym_name"] = ir.StringAttr.get("main")
    return module


def _name(function: Any) -> str:
    return str(ir.StringAttr(function.attributes["sym_name"]).value)


def _cost(op: Any, of_function: Callable[[str], int]) -> int:
    """Elements of the result; of what is reduced; multiply-adds of a product; all of what a called function does.

    A loop counts as one turn: how many it takes is not looked at.
    """
    results = sum(_size(result.type) for result in op.results)
    match op.operation.name:
        case "func.call":
            return of_function(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        case "stablehlo.while" | "stablehlo.if" | "stablehlo.case":
            blocks = [block for region in op.regions for block in region.blocks]
            return sum(_cost(inner, of_function) for block in blocks for inner in block.operations)
        case "stablehlo.reduce":
            return _size(op.operands[0].type)
        case "stablehlo.dot_general":
            numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
            shape = ir.RankedTensorType(op.operands[0].type).shape
            return results * math.prod(shape[axis] for axis in numbers.lhs_contracting_dimensions)
        case "stablehlo.convolution":
            weights = ir.RankedTensorType(op.operands[1].type).shape
            axes = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
            return results * math.prod(weights) // weights[axes.kernel_output_feature_dimension]
    return results


def _size(kind: ir.Type) -> int:
    return math.prod(ir.RankedTensorType(kind).shape)


def _attribute(array: Array) -> ir.Attribute:
    """A constant of the array's shape and element type; truth values are bits."""
    values: Any = np.asarray(array, order="C")
    if values.dtype == np.bool_:
        return ir.DenseElementsAttr.get(values)
    # Signless, as signed arguments are in StableHLO: by default integers keep the sign that they have in numpy.
    return ir.DenseElementsAttr.get(values, signless=values.dtype.kind != "u")


def _elements(result: ir.Attribute) -> Any:
    floats = ir.RankedTensorType(ir.ShapedType(result.type)).element_type
    return ir.DenseFPElementsAttr(result) if isinstance(floats, ir.FloatType) else ir.DenseIntElementsAttr(result)
