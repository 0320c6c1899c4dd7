"""Values of the forward pass as results: what the first samples have to be, whatever became of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.module.batch.dimension import Dimensions
from harness.module.batch.following import FollowedBatch, summed_values, told
from harness.module.batch.rewriting import BatchCutter
from harness.module.mlir import element_of, ir, shape_of

_MOST = 4  # values, the last ones before samples are taken together
_LARGEST = 1 << 24  # elements of one of them


@dataclass(frozen=True)
class Probe:
    """Both programs with the same values as results, none where there is nothing to compare.

    `names`: results by name, other values by the operation that makes them; `dimensions`: where the batch is in each.
    """

    original: str
    reduced: str
    names: tuple[str, ...]
    dimensions: tuple[Dimensions, ...]


def probe(inlined: Any, block: Any, followed: FollowedBatch, cutter: BatchCutter, names: Sequence[str]) -> Probe:
    """Results that depend on their own sample alone, and the last such values that are summed over the batch.

    `names`: of the results. The function's end is replaced, so this comes last.
    """
    summed = summed_values(block, followed)
    returned = list(list(block.operations)[-1].operands)

    def comparable(value: Any) -> bool:
        floats = element_of(value.type) in ("f32", "f64", "f16", "bf16")
        own = bool(followed.of(value)) and value not in summed and not isinstance(value.owner, ir.Block)
        size = 1
        for axis in shape_of(value.type):
            size *= axis
        return floats and own and size <= _LARGEST

    chosen = {value: f"result {names[number]}" for number, value in enumerate(returned) if comparable(value)}
    ends = [
        operand
        for op in block.operations
        if op.results and op.results[0] in followed.summing
        for operand in op.operands
        if comparable(operand) and operand.owner.operation.block == block
    ]
    for value in list(dict.fromkeys(reversed(ends)))[:_MOST]:
        chosen.setdefault(value, told(value.owner))
    if not chosen:
        return Probe("", "", (), ())
    dimensions = tuple(dict(followed.of(value)) for value in chosen)
    _return(block, list(chosen))
    return Probe(str(inlined), str(cutter.made(inlined, "main")), tuple(chosen.values()), dimensions)


def _return(block: Any, values: list[Any]) -> None:
    """Let a function return other values."""
    function = block.owner
    kinds = ir.FunctionType.get([argument.type for argument in block.arguments], [value.type for value in values])
    function.attributes["function_type"] = ir.TypeAttr.get(kinds)
    last = list(block.operations)[-1]
    with ir.InsertionPoint(block), ir.Location.unknown():
        last.operation.erase()
        ir.Operation.create("func.return", operands=values)
