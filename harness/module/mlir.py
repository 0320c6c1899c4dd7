"""The bindings of MLIR and StableHLO that jaxlib brings along. All of this room's use of them comes through here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax.interpreters.mlir
from jaxlib.mlir import ir as _ir
from jaxlib.mlir.dialects import func as _func
from jaxlib.mlir.dialects import stablehlo as _stablehlo

# Their stubs leave out what Python adds to them, and have one type for what a cast makes several of.
ir: Any = _ir
func: Any = _func
stablehlo: Any = _stablehlo


@contextmanager
def parsed(text: str) -> Iterator[Any]:
    """The module of a text in normal form, which lives as long as the context."""
    with jax.interpreters.mlir.make_ir_context(), ir.Location.unknown():
        yield ir.Module.parse(text)


@contextmanager
def from_bytes(content: bytes) -> Iterator[Any]:
    """The module of a file: text, MLIR bytecode or a portable artifact (VHLO). Its operations know their lines.

    Raises: ValueError with the parser's words.
    """
    with jax.interpreters.mlir.make_ir_context() as context, ir.Location.unknown():
        # MLIRError derives from Exception alone, and each of the three readers raises another one.
        try:
            module = ir.Module.parse(content)
            if any(op.operation.name.startswith("vhlo.") for op in module.body.operations):
                module = stablehlo.deserialize_portable_artifact(context, content)
        except Exception as error:
            raise ValueError(str(error)) from None
        yield module


def functions(module: Any) -> list[Any]:
    """The functions of a module, in its order."""
    return [op for op in module.body.operations if op.operation.name == "func.func"]


def symbol(function: Any) -> str:
    """Name of a function."""
    return str(ir.StringAttr(function.attributes["sym_name"]).value)


def is_public(function: Any) -> bool:
    """Whether others may call it."""
    given = function.attributes
    return "sym_visibility" not in given or ir.StringAttr(given["sym_visibility"]).value == "public"


def function_named(module: Any, name: str) -> Any:
    """The function of that name."""
    return next(function for function in functions(module) if symbol(function) == name)


def operations(block: Any) -> Iterator[Any]:
    """The operations of a block and of the regions in it, in the order of the text."""
    for op in block.operations:
        yield op.operation
        for region in op.regions:
            for inner in region.blocks:
                yield from operations(inner)


def kind_of(op: Any) -> str:
    """Name of an operation without its dialect: `reduce`."""
    return str(op.operation.name).rpartition(".")[2]


def line_of(op: Any) -> int | None:
    """Line of an operation in the text it was read from, None where it has none (bytecode)."""
    location = op.location
    own = isinstance(location, ir.FileLineColLoc) and location.filename == "-"
    return int(location.start_line) if own else None


def shape_of(kind: Any) -> tuple[int, ...]:
    """Shape of a tensor type."""
    return tuple(int(size) for size in ir.RankedTensorType(kind).shape)


def element_of(kind: Any) -> str:
    """Element type of a tensor type, as MLIR writes it: `f32`."""
    return str(ir.ShapedType(kind).element_type)
