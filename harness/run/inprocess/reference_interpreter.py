"""Runs a phase-3 module in the StableHLO reference interpreter that jaxlib brings along: no compiler at all.

Only this file calls the interpreter, which is no public interface of jaxlib. It knows one function, `main`, takes about
a microsecond an operation and element, and reports what it refuses on standard error only.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.interpreters.mlir
import ml_dtypes
import numpy as np
import numpy.typing as npt
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func, stablehlo
from jaxlib.mlir.passmanager import PassManager

from harness.errors import EmitError

Array = npt.NDArray[Any]


def interpret(text: str, function: str, arguments: Sequence[Array]) -> list[Array]:
    """Results of one function of a module.

    Raises: EmitError when the interpreter refuses it.
    """
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        module = _with_main(text, function)
        _order_convolutions(module)
        narrow = _widen_results(module)
        given = [_attribute(array) for array in arguments]
        try:
            results = stablehlo.eval_module(module, given)
        except ValueError as error:
            raise EmitError(f"{function}: the StableHLO interpreter: {error}") from None
        arrays = [np.array(_elements(result)) for result in results]
        return [array.astype(kind) if kind is not None else array for array, kind in zip(arrays, narrow, strict=True)]


def operations(text: str, function: str) -> int:
    """Number of scalar operations of the interpreter in one call, which determine its time."""
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        module = ir.Module.parse(text)  # has to outlive its operations
        functions = {_name(op): op for op in module.body.operations}

        def work(name: str) -> int:
            return sum(_cost(op, work) for op in functions[name].regions[0].blocks[0].operations)

        return work(function)


def _with_main(text: str, function: str) -> ir.Module:
    """The module with that function called `main`; what JAX lowers to CHLO, at which the interpreter would abort, as
    StableHLO says it."""
    module = ir.Module.parse(text)
    if "chlo." in text:
        _register_passes()
        PassManager.parse("builtin.module(func.func(chlo-legalize-to-stablehlo))").run(module.operation)
    for op in module.body.operations:
        if _name(op) == function:
            op.attributes["sym_name"] = ir.StringAttr.get("main")
    return module


@functools.cache
def _register_passes() -> None:
    """Make the passes of StableHLO known, once for the process."""
    stablehlo.register_stablehlo_passes()


def _order_convolutions(module: ir.Module) -> None:
    """Let convolutions give batch before features, transposed afterwards: at the other order the interpreter aborts."""

    def collect(op: Any) -> Any:
        if op.name == "stablehlo.convolution":
            found.append(op)
        return ir.WalkResult.ADVANCE

    found: list[Any] = []
    module.operation.walk(collect)
    for op in found:
        axes: Any = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
        batch, features = axes.output_batch_dimension, axes.output_feature_dimension
        if batch < features:
            continue
        order = list(range(ir.RankedTensorType(op.results[0].type).rank))
        order[batch], order[features] = features, batch
        shape = ir.RankedTensorType(op.results[0].type).shape
        element = ir.RankedTensorType(op.results[0].type).element_type
        attributes = {name: op.attributes[name] for name in op.attributes}
        attributes["dimension_numbers"] = stablehlo.ConvDimensionNumbers.get(
            *(axes.input_batch_dimension, axes.input_feature_dimension, axes.input_spatial_dimensions),
            *(axes.kernel_input_feature_dimension, axes.kernel_output_feature_dimension),
            *(axes.kernel_spatial_dimensions, features, batch, axes.output_spatial_dimensions),
        )
        with ir.InsertionPoint(op):
            ordered = ir.Operation.create(
                op.name,
                results=[ir.RankedTensorType.get([shape[axis] for axis in order], element)],
                operands=list(op.operands),
                attributes=attributes,
            )
            result = stablehlo.transpose(ordered.results[0], ir.DenseI64ArrayAttr.get(order))
        op.results[0].replace_all_uses_with(result)
        op.erase()


def _widen_results(module: ir.Module) -> list[Any]:
    """Let `main` give bf16 as f32, which numpy can be handed; the types to take instead, None for the others."""
    main = next(op for op in module.body.operations if _name(op) == "main")
    block = main.regions[0].blocks[0]
    *_, last = block.operations
    kinds = [ir.RankedTensorType(value.type) for value in last.operands]
    narrow = [isinstance(kind.element_type, ir.BF16Type) for kind in kinds]
    if not any(narrow):
        return [None] * len(kinds)
    with ir.InsertionPoint(last):
        values = [
            stablehlo.convert(ir.RankedTensorType.get(kind.shape, ir.F32Type.get()), value) if one else value
            for value, kind, one in zip(last.operands, kinds, narrow, strict=True)
        ]
        func.ReturnOp(values)
    last.operation.erase()
    given = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(given.inputs, [v.type for v in values]))
    return [ml_dtypes.bfloat16 if one else None for one in narrow]


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
    if values.dtype == ml_dtypes.bfloat16:
        return ir.DenseElementsAttr.get(values, type=ir.RankedTensorType.get(values.shape, ir.BF16Type.get()))
    # Signless, as signed arguments are in StableHLO: by default integers keep the sign that they have in numpy.
    return ir.DenseElementsAttr.get(values, signless=values.dtype.kind != "u")


def _elements(result: ir.Attribute) -> Any:
    floats = ir.RankedTensorType(ir.ShapedType(result.type)).element_type
    return ir.DenseFPElementsAttr(result) if isinstance(floats, ir.FloatType) else ir.DenseIntElementsAttr(result)
