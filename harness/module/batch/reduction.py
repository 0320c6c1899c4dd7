"""`harness module reduce-batch`: a module read, its batch followed, and the same program for fewer samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ModuleError
from harness.module.batch.dimension import Dimensions
from harness.module.batch.following import FollowedBatch, check_parameters, follow_batch, told
from harness.module.batch.marks import is_data, marked_axes
from harness.module.batch.naming import named_text
from harness.module.batch.probing import Probe, probe
from harness.module.batch.rewriting import BatchCutter
from harness.module.batch.rules import UnfollowedError
from harness.module.batch.sources import PartedSources, without_unused
from harness.module.clone import Inliner
from harness.module.load import StableModule
from harness.module.mlir import from_bytes, function_named, ir


@dataclass(frozen=True)
class HeldBatch:
    """An argument or result that holds samples, its type before and after, and how that was found."""

    name: str
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class ReducedModule:
    """A module for fewer samples. `text`: with its arguments' names; `arguments`, `results`: the batch by number.

    `probe`: the same two programs with values of the forward pass as results, to compare them.
    """

    module: StableModule
    batch: int
    to: int
    text: str
    arguments: dict[int, Dimensions]
    results: dict[int, Dimensions]
    held: tuple[HeldBatch, ...]
    probe: Probe


def reduce_batch(module: StableModule, to: int, said: Sequence[str] = ()) -> ReducedModule:
    """The module for `to` samples. `said`: ARG=AXIS of arguments that hold samples, where roles do not tell.

    Raises: ModuleError with operation and line for what does not keep samples apart.
    """
    if module.refusals:
        raise ModuleError(f"{module.path}: {module.refusals[0]}. Expected operations that can be followed.")
    marks = marked_axes(module, said)
    number, axis = next(iter(marks.items()))
    batch = module.arguments[number].type.shape[axis]
    if batch < 2:
        raise ModuleError(f"{module.path}: its batch is {batch}, and there is nothing to leave out.")
    if not 1 <= to < batch:
        raise ModuleError(f"{module.path}: its batch is {batch}, expected --to from 1 to {batch - 1}, not {to}.")
    try:
        return _reduced(module, marks, batch, to, bool(said))
    except UnfollowedError as error:
        raise ModuleError(f"{module.path}: {error}.") from None


def _reduced(module: StableModule, marks: dict[int, int], batch: int, to: int, said: bool) -> ReducedModule:
    with from_bytes(module.source) as source:
        inlined = Inliner().made(source, module.function)
        block = function_named(inlined, "main").regions[0].blocks[0]
        without_unused(block)
        parted = PartedSources()
        parted.part(block, batch)
        arguments = list(block.arguments)
        followed = follow_batch([(arguments[number], axis) for number, axis in marks.items()])
        named = list(zip(arguments, module.arguments, strict=True))
        kept = {value: one.name for i, (value, one) in enumerate(named) if not is_data(one) and i not in marks}
        check_parameters(kept, followed)
        parted.join(followed)
        returned = list(list(block.operations)[-1].operands)
        cutter = BatchCutter(followed, batch, to)
        made = cutter.made(inlined, "main")
        function_named(made, "main").attributes["sym_name"] = ir.StringAttr.get(module.function)
        return ReducedModule(
            module=module,
            batch=batch,
            to=to,
            text=named_text(made, module),
            arguments={i: dict(followed.of(value)) for i, value in enumerate(arguments) if followed.of(value)},
            results={i: dict(followed.of(value)) for i, value in enumerate(returned) if followed.of(value)},
            held=tuple(_held(module, arguments, returned, followed, cutter, marks, said)),
            probe=probe(inlined, block, followed, cutter, [result.name for result in module.results]),
        )


def _held(
    module: StableModule,
    arguments: list[Any],
    returned: list[Any],
    followed: FollowedBatch,
    cutter: BatchCutter,
    marks: dict[int, int],
    said: bool,
) -> list[HeldBatch]:
    rows = []
    for i, value in enumerate(arguments):
        if followed.of(value):
            axis = next(iter(followed.of(value)))
            how = "--batch-of" if said else f"taken for {module.arguments[i].role}"
            why = how if i in marks else f"by {told(followed.through[value, axis])}"
            rows.append(_row(module.arguments[i].name, value, cutter, why))
    for i, value in enumerate(returned):
        if followed.of(value):
            rows.append(_row(module.results[i].name, value, cutter, "result"))
    return rows


def _row(name: str, value: Any, cutter: BatchCutter, why: str) -> HeldBatch:
    before, after = (
        str(kind).removeprefix("tensor<").removesuffix(">") for kind in (value.type, cutter.value_type(value))
    )
    return HeldBatch(name, before, after, why)
