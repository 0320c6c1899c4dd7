"""What cannot be judged here, named by its operation and line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.module.mlir import function_named, functions, ir, line_of, operations, symbol
from harness.module.signature import ELEMENTS

_BETWEEN_DEVICES = """
    after_all all_gather all_reduce all_to_all collective_broadcast collective_permute create_token cross-replica-sum
    infeed outfeed partition_id recv reduce_scatter replica_id send
"""
_COLLECTIVE = frozenset(_BETWEEN_DEVICES.split())
_DIALECTS = frozenset({"stablehlo", "chlo", "func"})


@dataclass(frozen=True)
class Refusal:
    """An operation that is not judged. `line`: of the text, None where the file has no lines."""

    op: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{f'line {self.line}, ' if self.line is not None else ''}{self.op}: {self.reason}"


def refusals(module: Any, function: str) -> list[Refusal]:
    """Every operation of a function, and of those that it calls, that is not judged, in the order of the text."""
    found = []
    for name in _called(module, function):
        for op in operations(function_named(module, name).regions[0].blocks[0]):
            reason = next(_reasons(op), None)
            if reason is not None:
                found.append(Refusal(str(op.name), line_of(op), reason))
    return sorted(found, key=lambda refusal: refusal.line or 0)


def without_body(module: Any) -> list[str]:
    """Functions that are only declared."""
    return [symbol(function) for function in functions(module) if not list(function.regions[0].blocks)]


def calls_itself(module: Any, function: str, callers: tuple[str, ...] = ()) -> str | None:
    """Name of a function that is called while it runs, among those that a function calls; None without one."""
    if function in callers:
        return function
    block = function_named(module, function).regions[0].blocks[0]
    callees = {
        ir.FlatSymbolRefAttr(op.attributes["callee"]).value for op in operations(block) if op.name == "func.call"
    }
    found = (calls_itself(module, callee, (*callers, function)) for callee in sorted(callees))
    return next(filter(None, found), None)


def _called(module: Any, function: str) -> list[str]:
    """The function and those that it calls, each once."""
    names = [function]
    for name in names:
        for op in operations(function_named(module, name).regions[0].blocks[0]):
            if op.name == "func.call":
                callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
                if callee not in names:
                    names.append(callee)
    return names


def _reasons(op: Any) -> Iterator[str]:
    dialect, _, kind = str(op.name).rpartition(".")
    if dialect not in _DIALECTS:
        yield "an operation of another dialect than StableHLO"
    if kind == "custom_call":
        yield f"a custom call of {op.attributes['call_target_name']}, of which only its own compiler knows the meaning"
    if kind in _COLLECTIVE:
        yield "it speaks with other devices; expected a program of one device"
    drawn = kind == "rng" or (kind == "rng_bit_generator" and "DEFAULT" in str(op.attributes["rng_algorithm"]))
    if drawn:
        yield "each compiler draws other numbers"
    if op.name == "stablehlo.constant" and not isinstance(op.attributes["value"], ir.DenseElementsAttr):
        yield "a constant that lies in a resource section. Write it as dense<…>"
    if kind == "composite":
        yield "a composite; expected its operations themselves"
    if any(len(list(region.blocks)) > 1 for region in op.regions):
        yield "a region of several blocks"
    for result in op.results:
        yield from _of_type(result.type)
    if kind == "while" and not _bounded(op):
        yield "a loop without a bound that can be read off: expected a counter that is compared with a constant"


def _of_type(kind: Any) -> Iterator[str]:
    if isinstance(kind, ir.RankedTensorType):
        if not kind.has_static_shape:
            yield f"a shape that is not known before the run: {kind}"
        elif str(kind.element_type) not in ELEMENTS:
            yield f"numbers of type {kind.element_type}"
    elif isinstance(kind, ir.UnrankedTensorType):
        yield f"a shape that is not known before the run: {kind}"


def _bounded(op: Any) -> bool:
    """Whether a loop ends when a counter that its body moves reaches something that its body leaves alone."""
    condition, body = op.regions[0].blocks[0], op.regions[1].blocks[0]
    return _ends(list(condition.operations)[-1].operands[0], condition, body)


def _ends(value: Any, condition: Any, body: Any) -> bool:
    if isinstance(value.owner, ir.Block):
        return False
    op = value.owner
    kind = op.operation.name
    if kind == "stablehlo.and":
        return any(_ends(operand, condition, body) for operand in op.operands)
    if kind != "stablehlo.compare":
        return False
    sides = list(op.operands)
    return any(
        _moves(one, condition, body) and _stays(other, condition, body) for one, other in (sides, reversed(sides))
    )


def _moves(value: Any, condition: Any, body: Any) -> bool:
    """Whether a value of the condition is a number that the body adds a constant to."""
    number = _number_of(value, condition)
    if number is None:
        return False
    new = list(body.operations)[-1].operands[number]
    if isinstance(new.owner, ir.Block) or new.owner.operation.name not in ("stablehlo.add", "stablehlo.subtract"):
        return False
    return any(operand == body.arguments[number] for operand in new.owner.operands)


def _stays(value: Any, condition: Any, body: Any) -> bool:
    """Whether a value of the condition is a constant, or one that the body hands on as it is."""
    number = _number_of(value, condition)
    if number is not None:
        return bool(list(body.operations)[-1].operands[number] == body.arguments[number])
    if isinstance(value.owner, ir.Block):
        return True  # of what surrounds the loop
    return bool(value.owner.operation.name == "stablehlo.constant" or value.owner.operation.block != condition)


def _number_of(value: Any, condition: Any) -> int | None:
    return next((i for i, argument in enumerate(condition.arguments) if argument == value), None)
