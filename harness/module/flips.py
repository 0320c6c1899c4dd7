"""How many units rounding flips: places where a comparison is decided otherwise, as a ReLU at a number close to zero.

A flip moves what is behind it by far more than a rounding does. It is counted among the members of the ensemble, whose
f64 version gives its comparisons as further results. An executor is not asked: with more results it would fuse
otherwise, and be another program.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.module.experiment import ModuleExperiment
from harness.module.measure import difference
from harness.module.members import first_members
from harness.module.mlir import element_of, func, function_named, ir, parsed, shape_of
from harness.module.noise import NoisyWidener
from harness.module.task import Array
from harness.module.words import ExecutorCheck, ResultCheck

_COARSE = 1e-4  # a check that sees no smaller error than this has its reason told
_MOST_UNITS = 1 << 27  # whose truth values are held at once
_UNSETTLED = ("rounding", "doubt")
_FAR = 10.0  # how much further a member with a flip is from the reference than one without


@dataclass(frozen=True)
class Decided:
    """A module that gives its comparisons of floating-point numbers after its results.

    `behind`: by result, the numbers of the comparisons that it depends on.
    """

    text: str
    units: int
    behind: tuple[frozenset[int], ...]


@dataclass
class _Flips:
    """By member: its flips, by comparison, and its distances from the reference, by result."""

    results: int
    reference: list[Array] = field(default_factory=list)
    flips: list[list[int]] = field(default_factory=list)
    moved: list[list[float]] = field(default_factory=list)

    def take(self, results: list[Array]) -> None:
        """The results of one more call; the first one is the reference."""
        if not self.reference:
            self.reference = results
            return
        pairs = list(zip(results, self.reference, strict=True))
        self.moved.append([difference(one, other).norm for one, other in pairs[: self.results]])
        self.flips.append([int((one != other).sum()) for one, other in pairs[self.results :]])

    def told(self, number: int, behind: frozenset[int]) -> str:
        """What flips do to a result; empty where they do nothing that stands out."""
        counts = [sum(flips[i] for i in behind) for flips in self.flips]
        still = [moved[number] for moved, count in zip(self.moved, counts, strict=True) if not count]
        stirred = [moved[number] for moved, count in zip(self.moved, counts, strict=True) if count]
        if not stirred or (still and max(stirred) < _FAR * max(still)):
            return ""
        flipping = [i for i in behind if any(flips[i] for flips in self.flips)]
        units = sum(self.reference[self.results + i].size for i in flipping)
        return f"rounding flips up to {max(counts):,} of {units:,} units"


def decided(inlined: str) -> Decided:
    """The module with its comparisons as further results; those in loops and functions of reductions stay inside."""
    with parsed(inlined) as module:
        main = function_named(module, "main")
        block = main.regions[0].blocks[0]
        *body, last = block.operations
        compares = [op for op in body if _compares_numbers(op)]
        values = [*last.operands, *(op.results[0] for op in compares)]
        numbers = {op.results[0]: i for i, op in enumerate(compares)}
        behind = tuple(_behind(value, numbers) for value in last.operands)
        inputs = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value).inputs
        with ir.InsertionPoint(last):
            func.ReturnOp(values)
        last.operation.erase()
        main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, [v.type for v in values]))
        if "res_attrs" in main.attributes:
            del main.attributes["res_attrs"]
        units = sum(math.prod(shape_of(op.results[0].type)) for op in compares)
        return Decided(str(module), units, behind)


def with_flips(check: ModuleExperiment, checks: Sequence[ExecutorCheck]) -> list[ExecutorCheck]:
    """A note on results where the check is coarse or in doubt, if it is flips that move the members there."""
    wanted = {
        i
        for one in checks
        for i, result in enumerate(one.results)
        if (result.bound > _COARSE and np.isfinite(result.bound)) or result.word == "doubt"
    }
    if not wanted or "stablehlo.compare" not in check.module.ops:
        return list(checks)
    module = decided(check.module.inlined)
    if not any(module.behind[i] for i in wanted) or module.units > _MOST_UNITS:
        return list(checks)
    check.say("members, to count the units that rounding flips …")
    members = _Flips(len(module.behind))
    drawn = first_members(check.seed, check.ensemble.members)
    if check.members(drawn, members, NoisyWidener().clone(module.text, "main")).outcome != "ran":
        return list(checks)
    notes = {i: members.told(i, module.behind[i]) for i in wanted}
    return [
        replace(one, results=tuple(_noted(i, result, notes) for i, result in enumerate(one.results))) for one in checks
    ]


def _noted(number: int, result: ResultCheck, notes: dict[int, str]) -> ResultCheck:
    told = number in notes and result.word in _UNSETTLED and not result.note
    return replace(result, note=notes[number]) if told else result


def _compares_numbers(op: Any) -> bool:
    return op.operation.name == "stablehlo.compare" and element_of(op.operands[0].type) in ("f64", "f32", "f16", "bf16")


def _behind(value: Any, numbers: dict[Any, int]) -> frozenset[int]:
    """Numbers of the comparisons that a value depends on."""
    ahead, seen, found = [value], {value}, set()
    while ahead:
        one = ahead.pop()
        if one in numbers:
            found.add(numbers[one])
        for used in _used(one.owner):
            if used not in seen:
                seen.add(used)
                ahead.append(used)
    return frozenset(found)


def _used(owner: Any) -> list[Any]:
    """What an operation is computed from, what its regions take from around it included."""
    if isinstance(owner, ir.Block):
        return []
    inner = [op for region in owner.regions for block in region.blocks for op in block.operations]
    return [*owner.operands, *(value for op in inner for value in _used(op))]
