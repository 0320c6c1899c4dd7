"""A program cut into windows: short enough to compile often, and so that rounding can decide nothing inside one.

A comparison of what the window itself computes would flip with rounding, and the bound would be as coarse as the flip.
Where it is fed the value, it decides the same on both sides.
"""

from collections.abc import Sequence

from harness.module.isolate.program import OperationGraph, ProgramPart, increments
from harness.module.noise import EXACT

WINDOW = 80  # operations at most
_BENDS = frozenset({"compare", "select_and_scatter", "sort", "is_finite", "sign", "remainder"})
_BENDS |= {"floor", "ceil", "round_nearest_even", "round_nearest_afz"}


def windows(program: OperationGraph, size: int = WINDOW, first: int | None = None) -> list[ProgramPart]:
    """All operations in order, in windows of at most `size`; the first one of `first`, to cut at other places."""
    groups: list[list[int]] = [[]]
    rounded: set[int] = set()  # values that the window at hand has computed with rounding
    limit = first or size
    for op in program.operations:
        if program.copied.issuperset(op.results) and not _starts(program, op.number, rounded):
            continue
        if len(groups[-1]) >= limit or _starts(program, op.number, rounded):
            groups.append([])
            rounded, limit = set(), size
        groups[-1].append(op.number)
        if op.kind not in EXACT or op.sums or rounded.intersection(op.operands):
            rounded |= set(op.results)
    return [program.part(group, outputs) for group, outputs in _with_outputs(program, groups) if outputs]


def _starts(program: OperationGraph, number: int, rounded: set[int]) -> bool:
    """Whether an operation would bend what the window at hand has rounded."""
    op = program.operations[number]
    whole = op.kind == "convert" and not any(program.types[result].is_float for result in op.results)
    if not (op.kind in _BENDS or op.decides or whole):
        return False
    return bool(rounded.intersection(op.operands))


def _with_outputs(
    program: OperationGraph, groups: Sequence[Sequence[int]]
) -> list[tuple[Sequence[int], tuple[int, ...]]]:
    """For each group what of it is needed after it, and the increments that would hide in a new value."""
    needed_later = set(program.returned)
    found: list[tuple[Sequence[int], tuple[int, ...]]] = []
    for group in reversed([group for group in groups if group]):
        made = [result for number in group for result in program.operations[number].results]
        outputs = {value for value in made if value in needed_later} | increments(program, group)
        # What nobody uses and nobody returns is looked at as well, or it would not be checked at all.
        used = {operand for number in group for operand in program.operations[number].operands}
        outputs |= {value for value in made if value not in used and value not in program.copied}
        found.append((group, tuple(sorted(outputs))))
        needed_later |= set(program.part(group, ()).inputs)
    return list(reversed(found))


def last_uses(parts: Sequence[ProgramPart]) -> dict[int, int]:
    """For values by number the last window that is fed them."""
    return {value: number for number, part in enumerate(parts) for value in part.inputs}
