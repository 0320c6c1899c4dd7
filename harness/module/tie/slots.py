"""Which arguments of a step are parameters, and which are their moments: by what becomes of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.mlir import function_named, kind_of, parsed

_ROOTS = frozenset({"sqrt", "rsqrt", "power", "cbrt"})
_ELEMENT_BY_ELEMENT = _ROOTS | {
    "abs", "add", "clamp", "compare", "convert", "divide", "maximum", "minimum", "multiply", "negate",
    "optimization_barrier", "select", "square", "subtract",
}  # fmt: skip


@dataclass(frozen=True)
class TiedParameter:
    """A parameter by the numbers of its argument and of its new value, and its moments by those of their arguments."""

    name: str
    argument: int
    result: int
    first: int | None = None
    second: int | None = None


@dataclass(frozen=True)
class _Reach:
    """Where an argument goes element by element. `whole`: also elsewhere; `roots`: by result, whether by roots only."""

    whole: bool
    roots: dict[int, bool]


def plain(name: str) -> str:
    """A name by which programs of different conventions agree: `dense1.w` and `dense1_w` are one."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence, the first ones where there are many."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def parameters_of(module: StableModule) -> tuple[TiedParameter, ...]:
    """The parameters of a step with their moments, whatever they are called.

    A moment goes element by element into its own new value and into that of one parameter, and nowhere else; the second
    one through a root. A parameter also goes into the forward pass. One that was forgotten there is told from a running
    statistic by the rate, which moves it.

    Raises: ModuleError where there is none.
    """
    with parsed(module.inlined) as source:
        values = list(function_named(source, "main").regions[0].blocks[0].arguments)
        reached = {i: _reach(values[i]) for i, one in enumerate(module.arguments) if one.result is not None}
        rates = [values[i] for i, one in enumerate(module.arguments) if one.role == "rate"]
        moved = _depending(rates[0]) if len(rates) == 1 else set()
    new = {i: module.arguments[i].result for i in reached}
    parameters = [
        i for i, reach in reached.items() if reach.whole or (set(reach.roots) == {new[i]} and new[i] in moved)
    ]
    moments: dict[int, dict[str, int]] = {}
    for i in reached:
        owners = [p for p in parameters if new[p] in reached[i].roots]
        if i not in parameters and len(owners) == 1:
            by_root = reached[i].roots[new[owners[0]] or 0]
            moments.setdefault(owners[0], {})["second" if by_root else "first"] = i
    if not parameters:
        raise ModuleError(
            f"{module.path}: no argument has a new value among the results. Expected a step that updates parameters."
        )
    given = module.arguments
    return tuple(TiedParameter(given[i].name, i, new[i] or 0, **moments.get(i, {})) for i in parameters)


def _reach(argument: Any) -> _Reach:
    """Follow an argument through operations that are done element by element."""
    whole = False
    roots: dict[int, bool] = {}
    ahead, seen = [(argument, False)], {(argument, False)}
    while ahead:
        value, rooted = ahead.pop()
        for use in value.uses:
            op, kind = use.owner, kind_of(use.owner)
            if kind == "return":
                number = int(use.operand_number)
                roots[number] = roots.get(number, True) and rooted
            elif kind not in _ELEMENT_BY_ELEMENT:
                whole = True
            else:
                for result in _results(op, int(use.operand_number)):
                    after = (result, rooted or kind in _ROOTS)
                    if after not in seen:
                        seen.add(after)
                        ahead.append(after)
    return _Reach(whole, roots)


def _depending(argument: Any) -> set[int]:
    """Numbers of the results that an argument has any part in."""
    found: set[int] = set()
    ahead, seen = [argument], {argument}
    while ahead:
        for use in ahead.pop().uses:
            op = use.owner
            if op.operation.name == "func.return":
                found.add(int(use.operand_number))
            for result in op.results:
                if result not in seen:
                    seen.add(result)
                    ahead.append(result)
    return found


def _results(op: Any, operand: int) -> Iterator[Any]:
    if op.operation.name == "stablehlo.optimization_barrier":
        yield op.results[operand]
    else:
        yield from op.results
