"""What a step adds to each parameter, as results of their own.

`W - rate * g` absorbs most digits of `g`: in f32 an error of a gradient of one part in a thousand is one in a million
of W. Where the new value is a difference or a sum of the old one and something else, that is taken instead.
"""

from collections.abc import Sequence
from typing import Any

from harness.module.mlir import func, function_named, ir, parsed


def with_increments(
    text: str, function: str, tensors: Sequence[tuple[int, int]], name: str
) -> tuple[str, list[bool]] | None:
    """A module whose only function has the step's arguments and gives what it adds to tensors, or subtracts.

    `tensors`: numbers of an argument and of the result that is its new value. `name`: of that function. The flags say
    which are subtracted. None where one of them is no plain difference or sum.
    """
    with parsed(text) as module, ir.Location.unknown():
        given = function_named(module, function)
        block = given.regions[0].blocks[0]
        last = list(block.operations)[-1]
        found = [_increment(block.arguments[argument], last.operands[result]) for argument, result in tensors]
        values = [one[0] for one in found if one is not None]
        if len(values) < len(tensors):
            return None
        with ir.InsertionPoint(last):
            func.ReturnOp(values)
        last.operation.erase()
        kind = ir.FunctionType(ir.TypeAttr(given.attributes["function_type"]).value)
        own = ir.FunctionType.get(kind.inputs, [value.type for value in values])
        given.attributes["function_type"] = ir.TypeAttr.get(own)
        given.attributes["sym_name"] = ir.StringAttr.get(name)
        module.operation.verify()
        return str(module), [one[1] for one in found if one is not None]


def _increment(old: Any, new: Any) -> tuple[Any, bool] | None:
    """What is added to `old` or, if the flag is set, subtracted from it; None where it is made otherwise."""
    if isinstance(new.owner, ir.Block):
        return None
    op = new.owner
    kind, operands = op.operation.name, list(op.operands)
    if kind == "stablehlo.subtract" and operands[0] == old:
        return operands[1], True
    if kind == "stablehlo.add" and old in operands and operands[0] != operands[1]:
        return operands[1 if operands[0] == old else 0], False
    return None
