"""Faults as an executor would have them: one marked operation of a module does something else.

The mark is an attribute of the operation, which compilers pass over. It stays with the operation when a part of its
module is cut out, so that a faulty executor is as faulty on the part as on the whole.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.errors import ModuleError
from harness.module.clone import Cloner
from harness.module.mlir import element_of, ir, shape_of, stablehlo

MARK = "injected"
SCALE = 1.001
_SUBTRACTED = ("stablehlo.add", "stablehlo.subtract")  # of which the second operand has the wrong sign


class Marker(Cloner):
    """Marks the operation `op` that is the `number`-th of its name, from 1, among those of f32 in program order.

    The mark says what `change` of `CHANGES` is to be injected.
    """

    def __init__(self, op: str, number: int, change: str) -> None:
        self._op, self._left, self._change = op, number, change
        self.place: int | None = None  # of the marked operation among all that were cloned
        self._seen = -1

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        self._seen += 1
        if op.operation.name == self._op and element_of(values[0].type) == "f32":
            self._left -= 1
            if self._left == 0:
                self.place = self._seen
                values[0].owner.attributes[MARK] = ir.StringAttr.get(self._change)
        return values

    def regions_are_plain(self, op: Any) -> bool:
        return True


class Injector(Cloner):
    """The module with its marked operations made wrong, and without marks."""

    def _marked(self, op: Any) -> str:
        return str(ir.StringAttr(op.attributes[MARK]).value) if MARK in op.attributes else ""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        change = OPERANDS.get(self._marked(op))
        return values if change is None else change(op, values)

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        marked = self._marked(op)
        if not marked:
            return values
        del values[0].owner.attributes[MARK]
        change = RESULTS.get(marked)
        return values if change is None else [change(op, values[0]), *values[1:]]


def _filled(kind: Any, value: float) -> Any:
    number = ir.FloatAttr.get(ir.RankedTensorType(kind).element_type, value)
    return stablehlo.constant(ir.DenseElementsAttr.get_splat(kind, number))


def _scaled(op: Any, y: Any) -> Any:
    return stablehlo.multiply(y, _filled(y.type, SCALE))


def _rounded(op: Any, y: Any) -> Any:
    """To bf16. Not as two conversions, which IREE takes for none where there is one element, and vmvx refuses."""
    bits = ir.IntegerType.get_signless(32)
    return stablehlo.reduce_precision(y, ir.IntegerAttr.get(bits, 8), ir.IntegerAttr.get(bits, 7))


def _without_last(op: Any, y: Any) -> Any:
    """The last element is zero, as where a loop over what is left of a tile is forgotten."""
    kept = np.ones(shape_of(y.type), np.float32)
    kept.reshape(-1)[-1:] = 0.0
    if kept.size < 2:
        return _filled(y.type, 0.0)
    return stablehlo.multiply(y, stablehlo.constant(ir.DenseElementsAttr.get(kept, type=y.type)))


def _negated(op: Any, y: Any) -> Any:
    return y if op.operation.name in _SUBTRACTED else stablehlo.negate(y)


def _second_negated(op: Any, values: list[Any]) -> list[Any]:
    if op.operation.name not in _SUBTRACTED:
        return values
    return [values[0], stablehlo.negate(values[1])]


def _missing(op: Any, y: Any) -> Any:
    """The first operand of the same type, or zeros where there is none."""
    alike = next((x for x in y.owner.operands if x.type == y.type), None)
    return _filled(y.type, 0.0) if alike is None else alike


def _operand_turned(op: Any, values: list[Any]) -> list[Any]:
    found = _axes(op)
    if found is None:
        raise ModuleError(f"{op.operation.name}: no two axes of one size, which could be taken for each other.")
    where, pair = found
    return [_turned(value, pair) if i == where else value for i, value in enumerate(values)]


def _result_turned(op: Any, y: Any) -> Any:
    found = _axes(op)
    return _turned(y, found[1]) if found is not None and found[0] is None else y


def _turned(x: Any, pair: Sequence[int]) -> Any:
    order = list(range(len(shape_of(x.type))))
    a, b = pair
    order[a], order[b] = order[b], order[a]
    return stablehlo.transpose(x, ir.DenseI64ArrayAttr.get(order))


def _axes(op: Any) -> tuple[int | None, tuple[int, int]] | None:
    """Which operand, None for the result, has two axes of one size, and the last such pair."""
    if op.operation.name == "stablehlo.reduce":
        reduced = set(ir.DenseI64ArrayAttr(op.attributes["dimensions"]))
        pair = _alike(shape_of(op.operands[0].type), lambda a, b: (a in reduced) != (b in reduced))
        return None if pair is None else (0, pair)
    for i, operand in enumerate(op.operands):
        pair = _alike(shape_of(operand.type))
        if pair is not None:
            return i, pair
    pair = _alike(shape_of(op.results[0].type))
    return None if pair is None else (None, pair)


def _alike(shape: Sequence[int], fits: Callable[[int, int], bool] = lambda a, b: True) -> tuple[int, int] | None:
    pairs = ((a, b) for b in reversed(range(len(shape))) for a in reversed(range(b)))
    return next((pair for pair in pairs if shape[pair[0]] == shape[pair[1]] > 1 and fits(*pair)), None)


OPERANDS: dict[str, Callable[[Any, list[Any]], list[Any]]] = {
    "sign": _second_negated,
    "wrong axis": _operand_turned,
}
RESULTS: dict[str, Callable[[Any, Any], Any]] = {
    "scaled": _scaled,
    "rounded": _rounded,
    "last element": _without_last,
    "sign": _negated,
    "wrong axis": _result_turned,
    "missing": _missing,
}
CHANGES = tuple(RESULTS)
