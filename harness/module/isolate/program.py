"""A function as a graph of operations, of which any part can be made a module of its own."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import ModuleError
from harness.module.mlir import func, function_named, ir, kind_of, operations, parsed
from harness.module.signature import TensorType, tensor_type

# Made anew in every part that uses them: what a compiler folds is part of what it does.
_CONSTANT = frozenset({"constant", "iota"})
_SHAPING = frozenset({"broadcast_in_dim", "reshape", "transpose", "broadcast"})
# Truth values cross no cut: whoever needs one compares again.
_DECIDING = frozenset({"compare", "is_finite", "and", "or", "not", "xor", "broadcast_in_dim", "reshape", "transpose"})
_NEW_VALUE = frozenset({"add", "subtract"})


@dataclass(frozen=True)
class Operation:
    """An operation of a function. Values have numbers: arguments first, then results in the order of the text.

    `number`: its own, from 0; `kind`: its name without the dialect; `operands`: with what its regions use from around;
    `sums`: whether it, or a region of it, adds; `decides`: whether a region of it compares.
    """

    number: int
    kind: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    sums: bool = False
    decides: bool = False


@dataclass(frozen=True)
class ProgramPart:
    """Operations of a function with what they are fed and what of theirs is looked at. Numbers of values.

    `operations`: those under test; what is only made anew beside them, constants and comparisons, is not listed.
    """

    operations: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class OperationGraph:
    """One function without calls. `types`: of values by number; `returned`: the values that it returns.

    `maker`: for values that are no arguments the operation that makes them. `copied`: values that every part that uses
    them makes anew: they depend on nothing, or are truth values.
    """

    operations: list[Operation]
    types: list[TensorType]
    arguments: int
    returned: tuple[int, ...]
    maker: dict[int, int]
    copied: frozenset[int]
    _original: list[Any]
    _kinds: list[Any]
    _context: Any

    def part(self, numbers: Iterable[int], outputs: Iterable[int]) -> ProgramPart:
        """The operations of those numbers; what they are fed follows."""
        tested = tuple(sorted(set(numbers)))
        made = {result for number in tested for result in self.operations[number].results}
        inputs: set[int] = set()
        ahead = [operand for number in tested for operand in self.operations[number].operands]
        seen = set(ahead)
        while ahead:
            value = ahead.pop()
            if value in made:
                continue
            if value not in self.copied:
                inputs.add(value)
                continue
            more = set(self.operations[self.maker[value]].operands) - seen
            seen |= more
            ahead += more
        return ProgramPart(tested, tuple(sorted(inputs)), tuple(outputs))

    def text(self, part: ProgramPart) -> str:
        """A module with the function `main` that is this part."""
        with self._context, ir.Location.unknown():
            module = ir.Module.create()
            taken = [self._kinds[value] for value in part.inputs]
            given = [self._kinds[value] for value in part.outputs]
            with ir.InsertionPoint(module.body):
                main = func.FuncOp("main", ir.FunctionType.get(taken, given), visibility="public")
            entry = main.add_entry_block()
            values = dict(zip(part.inputs, entry.arguments, strict=True))
            with ir.InsertionPoint(entry):
                for number in self._with_copies(part):
                    self._clone(self.operations[number], values)
                func.ReturnOp([values[value] for value in part.outputs])
            module.operation.verify()
            return str(module)

    def _with_copies(self, part: ProgramPart) -> list[int]:
        """The operations of a part and those that are made anew for it, in order."""
        needed, fed = set(part.operations), set(part.inputs)
        ahead = list(needed)
        while ahead:
            for operand in self.operations[ahead.pop()].operands:
                number = self.maker.get(operand)
                if operand not in fed and number is not None and number not in needed:
                    needed.add(number)
                    ahead.append(number)
        return sorted(needed)

    def _clone(self, op: Operation, values: dict[int, Any]) -> None:
        original = self._original[op.number]
        made = original.operation.clone()
        around = dict(zip(_used(original), op.operands, strict=True))
        for inner in (
            made,
            *(each for region in made.regions for block in region.blocks for each in operations(block)),
        ):
            for position, operand in enumerate(inner.operands):
                if operand in around:
                    inner.operands[position] = values[around[operand]]
        values.update(zip(op.results, made.results, strict=True))


@contextmanager
def opened(text: str) -> Iterator[OperationGraph]:
    """The function `main` of a module without calls, as long as the context lasts.

    Raises: ModuleError for an operation that gives something else than tensors, where nothing can be cut.
    """
    with parsed(text) as module:
        block = function_named(module, "main").regions[0].blocks[0]
        *body, last = block.operations
        numbers = {value: number for number, value in enumerate(block.arguments)}
        kinds = [value.type for value in block.arguments]
        ops: list[Operation] = []
        maker: dict[int, int] = {}
        for number, op in enumerate(body):
            results = tuple(range(len(kinds), len(kinds) + len(op.results)))
            inner = [kind_of(each) for region in op.regions for place in region.blocks for each in operations(place)]
            ops.append(
                Operation(
                    number=number,
                    kind=kind_of(op),
                    operands=tuple(numbers[value] for value in _used(op)),
                    results=results,
                    sums="add" in inner or kind_of(op) in ("dot_general", "dot", "convolution"),
                    decides="compare" in inner,
                )
            )
            numbers.update(zip(op.results, results, strict=True))
            maker.update(dict.fromkeys(results, number))
            kinds += [result.type for result in op.results]
        other = next(
            (op for op in body for result in op.results if not isinstance(result.type, ir.RankedTensorType)), None
        )
        if other is not None:
            told = f"{other.operation.name} gives a {other.results[0].type}, and a function is cut at tensors only"
            raise ModuleError(f"{told}. Judge the whole with `harness module check`.")
        types = [tensor_type(kind) for kind in kinds]
        returned = tuple(numbers[value] for value in last.operands)
        yield OperationGraph(
            operations=ops,
            types=types,
            arguments=len(block.arguments),
            returned=returned,
            maker=maker,
            copied=_copied(ops, types, returned),
            _original=body,
            _kinds=kinds,
            _context=module.context,
        )


def slice_of(program: OperationGraph, numbers: Collection[int], outputs: Sequence[int]) -> tuple[int, ...]:
    """Those of some operations that some values depend on."""
    within, ahead = set[int](), list(outputs)
    while ahead:
        number = program.maker.get(ahead.pop())
        if number is not None and number in numbers and number not in within:
            within.add(number)
            ahead += program.operations[number].operands
    return tuple(sorted(within))


def increments(program: OperationGraph, group: Sequence[int]) -> set[int]:
    """What a group adds to an argument of the program: in the sum its error would hardly show."""
    made = {result for number in group for result in program.operations[number].results}
    found = set()
    for number in group:
        op = program.operations[number]
        if op.kind not in _NEW_VALUE or len(op.operands) != 2:
            continue
        for one, other in (op.operands, op.operands[::-1]):
            if _of_argument(program, one) and other in made and other not in program.copied:
                found.add(other)
    return found


def _of_argument(program: OperationGraph, value: int) -> bool:
    """Whether a value is an argument, or one times a number."""
    if value < program.arguments:
        return bool(program.types[value].shape)
    op = program.operations[program.maker[value]]
    if op.kind != "multiply":
        return False
    one, other = op.operands if len(op.operands) == 2 else op.operands * 2
    return any(
        a < program.arguments and (b in program.copied or _is_scalar(program, b))
        for a, b in ((one, other), (other, one))
    )


def _is_scalar(program: OperationGraph, value: int) -> bool:
    """Whether a value is a number spread over a shape."""
    while value >= program.arguments and program.operations[program.maker[value]].kind in (
        "broadcast_in_dim",
        "reshape",
    ):
        value = program.operations[program.maker[value]].operands[0]
    return not program.types[value].shape


def _copied(ops: Sequence[Operation], types: Sequence[TensorType], returned: Sequence[int]) -> frozenset[int]:
    found: set[int] = set()
    for op in ops:
        constant = op.kind in _CONSTANT or (op.kind in _SHAPING and found.issuperset(op.operands))
        deciding = op.kind in _DECIDING and all(types[result].element == "i1" for result in op.results)
        if constant or deciding:
            found |= set(op.results) - set(returned)
    return frozenset(found)


def _used(op: Any) -> list[Any]:
    """Operands of an operation, then what its regions use from around it, each once."""
    own = list(dict.fromkeys(op.operands))
    if not len(op.regions):
        return own
    inside = {value for region in op.regions for block in region.blocks for value in _made_in(block)}
    for region in op.regions:
        for block in region.blocks:
            for inner in operations(block):
                own += [value for value in inner.operands if value not in inside and value not in own]
    return own


def _made_in(block: Any) -> Iterator[Any]:
    yield from block.arguments
    for op in block.operations:
        yield from op.results
        for region in op.regions:
            for inner in region.blocks:
                yield from _made_in(inner)
