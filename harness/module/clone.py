"""One function of a module made anew, operation by operation: calls inlined, types and values replaced on the way.

Constants go through their attributes and never through text: MLIR prints the f32 next to 0.1 as `0.1`, which read as
f64 would be another number, and the clone another program.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.errors import ModuleError
from harness.module.mlir import element_of, func, function_named, ir, parsed, stablehlo

Values = dict[Any, Any]
_LONGER_THAN_F32 = ("f64", "i32", "ui32", "i64", "ui64")


class Cloner:
    """Clones as it is. A subclass overrides what it replaces; every override is called where the clone is written."""

    def type_of(self, kind: Any) -> Any:
        """The clone's type for one of the original."""
        return kind

    def result_type(self, op: Any, result: Any) -> Any:
        """The type of a result of the clone of `op`, before `results` takes it."""
        return self.type_of(result.type)

    def value_type(self, value: Any) -> Any:
        """The clone's type of an argument, of the function or of a region, and of what is returned."""
        return self.type_of(value.type)

    def attributes(self, op: Any) -> dict[str, Any]:
        """The attributes of the clone of `op`."""
        return {name: self._attribute(op, op.attributes[name]) for name in _names(op)}

    def extra_arguments(self) -> Sequence[Any]:
        """Types of the arguments that the clone has after those of the original."""
        return ()

    def begin(self, module: Any, extra: Sequence[Any]) -> None:
        """Called once in the empty function: `module` is the clone's, `extra` its own arguments."""

    def fitting_operands(self, op: Any, values: list[Any]) -> list[Any]:
        """Operands of the types that the clone of `op` takes, also where it is cloned without `operands`."""
        return values

    def fitting_results(self, op: Any, values: list[Any]) -> list[Any]:
        """Results of the types that follow from `type_of`, also where `op` is cloned without `results`."""
        return values

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        """What the clone of `op` is given in the place of its operands."""
        return values

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        """What takes the place of the results of the clone of `op`."""
        return values

    def regions_are_plain(self, op: Any) -> bool:
        """Whether what is in the regions of `op` is cloned without `operands` and `results`."""
        return False

    def clone(self, text: str, function: str) -> str:
        """A module with that function alone, called `main`.

        Raises: ModuleError for what cannot be cloned.
        """
        with parsed(text) as source:
            return str(self.made(source, function))

    def made(self, source: Any, function: str) -> Any:
        """As `clone`, from a module to one in the same context. Operations keep their locations."""
        with ir.Location.unknown():
            try:
                return self._rewritten(source, function)
            except ir.MLIRError as error:
                told = next((line for line in str(error).splitlines() if "error:" in line), str(error))
                raise ModuleError(f"@{function} cannot be made anew: {told.partition('error: ')[2] or told}.") from None

    def _rewritten(self, source: Any, function: str) -> Any:
        module = ir.Module.create()
        original = function_named(source, function)
        block = original.regions[0].blocks[0]
        extra = list(self.extra_arguments())
        arguments = [self.value_type(argument) for argument in block.arguments]
        results = [self.value_type(value) for value in list(block.operations)[-1].operands]
        with ir.InsertionPoint(module.body):
            main = func.FuncOp("main", ir.FunctionType.get([*arguments, *extra], results), visibility="public")
        entry = main.add_entry_block()
        given = list(entry.arguments)
        with ir.InsertionPoint(entry):
            self.begin(module, given[len(arguments) :])
            values: Values = dict(zip(block.arguments, given, strict=False))
            func.ReturnOp(self._operations(source, block, values, plain=False))
        module.operation.verify()
        return module

    def _operations(self, source: Any, block: Any, values: Values, *, plain: bool) -> list[Any]:
        """Clone the operations of a block to the insertion point, all but its terminator; the latter's operands."""
        *operations, terminator = block.operations
        for op in operations:
            operands = [values[operand] for operand in op.operands]
            if op.operation.name == "func.call":
                callee = function_named(source, ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
                inner = callee.regions[0].blocks[0]
                # A function that is called twice has its values twice, so the names of one call end with it.
                bound = values | dict(zip(inner.arguments, operands, strict=True))
                results = self._operations(source, inner, bound, plain=plain)
            else:
                given = self.fitting_operands(op, operands)
                given = given if plain else self.operands(op, given)
                made = self._operation(source, op, given, values, plain=plain)
                results = self.fitting_results(op, list(made.results))
                results = results if plain else self.results(op, results)
            values.update(zip(op.results, results, strict=True))
        return [values[operand] for operand in terminator.operands]

    def _operation(self, source: Any, op: Any, operands: list[Any], values: Values, *, plain: bool) -> Any:
        made = ir.Operation.create(
            op.operation.name,
            results=[self.result_type(op, result) for result in op.results],
            operands=operands,
            attributes=self.attributes(op),
            regions=len(op.regions),
            loc=op.location,
        )
        within = plain or self.regions_are_plain(op)
        for region, new_region in zip(op.regions, made.regions, strict=True):
            for block in region.blocks:
                kinds = [self.value_type(argument) for argument in block.arguments]
                new = new_region.blocks.append(*kinds)
                inner = values | dict(zip(block.arguments, new.arguments, strict=True))
                with ir.InsertionPoint(new):
                    yielded = self._operations(source, block, inner, plain=within)
                    last = list(block.operations)[-1]
                    ir.Operation.create(last.operation.name, operands=yielded)
        return made

    def _attribute(self, op: Any, attribute: Any) -> Any:
        """An attribute with its types replaced: numbers, arrays of numbers, types."""
        if isinstance(attribute, ir.TypeAttr):
            return ir.TypeAttr.get(self.type_of(attribute.value))
        if isinstance(attribute, ir.FloatAttr) and not op.operation.name.startswith("stablehlo.batch_norm_"):
            kind = self.type_of(attribute.type)
            return attribute if kind == attribute.type else ir.FloatAttr.get(kind, attribute.value)
        if isinstance(attribute, ir.DenseElementsAttr):
            kind = self.type_of(attribute.type)
            return attribute if kind == attribute.type else _widened(attribute, kind)
        return attribute


class Inliner(Cloner):
    """One function with all that it calls, otherwise as it is."""


class Widener(Cloner):
    """The same program in f64: every f32 becomes f64, constants keep their f32 values.

    A conversion to bf16 or f16 is a rounding that the program means, and stays. So does one of f64, or of a whole
    number that may have more digits than an f32, to f32, unless `rounds` is unset.
    """

    rounds = True

    def type_of(self, kind: Any) -> Any:
        """f64 for f32, also as the element of a tensor."""
        if isinstance(kind, ir.F32Type):
            return ir.F64Type.get()
        if isinstance(kind, ir.RankedTensorType):
            return ir.RankedTensorType.get(kind.shape, self.type_of(kind.element_type), kind.encoding)
        if isinstance(kind, ir.TupleType):
            return ir.TupleType.get_tuple([self.type_of(kind.get_type(i)) for i in range(kind.num_types)])
        return kind

    def result_type(self, op: Any, result: Any) -> Any:
        """As `type_of`, but bits are those of an f32, and what is rounded to f32 is one at first."""
        kept = _takes_bits(op) or (self.rounds and _rounds_to_f32(op))
        return result.type if kept else self.type_of(result.type)

    def fitting_operands(self, op: Any, values: list[Any]) -> list[Any]:
        if not _takes_bits(op):
            return values
        return [_converted(value, operand.type) for value, operand in zip(values, op.operands, strict=True)]

    def fitting_results(self, op: Any, values: list[Any]) -> list[Any]:
        if not (_takes_bits(op) or (self.rounds and _rounds_to_f32(op))):
            return values
        return [_converted(value, self.type_of(value.type)) for value in values]


def _takes_bits(op: Any) -> bool:
    return bool(op.operation.name == "stablehlo.bitcast_convert")


def _rounds_to_f32(op: Any) -> bool:
    """Whether an operation makes the nearest f32 of a number that may be none."""
    if op.operation.name != "stablehlo.convert" or element_of(op.results[0].type) != "f32":
        return False
    return element_of(op.operands[0].type) in _LONGER_THAN_F32


def _converted(value: Any, kind: Any) -> Any:
    return value if value.type == kind else stablehlo.convert(kind, value)


def _widened(attribute: Any, kind: Any) -> Any:
    if attribute.is_splat:
        value = ir.FloatAttr.get(ir.RankedTensorType(kind).element_type, attribute.get_splat_value().value)
        return ir.DenseElementsAttr.get_splat(kind, value)
    values = np.array(attribute).astype(np.float64)
    return ir.DenseElementsAttr.get(values, type=kind)


def _names(op: Any) -> list[str]:
    return [named if isinstance(named, str) else named.name for named in op.attributes]
