"""A worker whose compiler is wrong: `python faulty_worker.py FAULT [FILE] TASK`, with a fault of `FAULTS`.

With FILE it is wrong once: only while that file is not there, which it makes.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import EmitError
from harness.module import worker
from harness.module.clone import Cloner
from harness.module.mlir import ir, stablehlo
from harness.module.task import ModuleTask


class ScaledProducts(Cloner):
    """Every product is 0.1 % too large."""

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name != "stablehlo.dot_general":
            return values
        return [_scaled(values[0])]


class ScaledSums(Cloner):
    """Every sum is 1 % too large."""

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        return [_scaled(values[0], 1.01)] if op.operation.name == "stablehlo.reduce" else values


class LostSign(Cloner):
    """Every difference of parameters, 12x6, is a sum."""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name == "stablehlo.subtract" and list(ir.RankedTensorType(values[0].type).shape) == [12, 6]:
            return [values[0], stablehlo.negate(values[1])]
        return values


class RoundedOperands(Cloner):
    """The operands of every product have so many bits behind the point."""

    bits = 7
    kept_at_highest = False

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name != "stablehlo.dot_general":
            return values
        asked = str(op.attributes["precision_config"]) if "precision_config" in op.attributes else ""
        if self.kept_at_highest and "HIGHEST" in asked:
            return values
        return [self.rounded(value) for value in values]

    def rounded(self, value: Any) -> Any:
        bits = ir.IntegerType.get_signless(32)
        sizes = (ir.IntegerAttr.get(bits, size) for size in (8, self.bits))
        return stablehlo.reduce_precision(value, *sizes)


class Tf32(RoundedOperands):
    """As an NVIDIA GPU does by default."""

    bits = 10


class Tf32UnlessHighest(Tf32):
    """The same, but a module may ask for f32."""

    kept_at_highest = True


class CutTf32(RoundedOperands):
    """The last 13 bits of the operands are zero."""

    def rounded(self, value: Any) -> Any:
        words = ir.RankedTensorType.get(ir.RankedTensorType(value.type).shape, ir.IntegerType.get_unsigned(32))
        mask = ir.DenseElementsAttr.get_splat(words, ir.IntegerAttr.get(words.element_type, 0xFFFFE000))
        held = stablehlo.and_(stablehlo.bitcast_convert(words, value), stablehlo.constant(mask))
        return stablehlo.bitcast_convert(value.type, held)


class FewBitsUnlessHighest(RoundedOperands):
    """A format that nobody has, where a module does not ask for f32."""

    bits = 9
    kept_at_highest = True


class LostSmall(Cloner):
    """Quotients of numbers below 4e-38, among which are normal ones, are those of zero."""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name != "stablehlo.divide":
            return values
        x, least = values[0], _constant(values[0], 4e-38)
        small = stablehlo.compare(stablehlo.abs(x), least, stablehlo.ComparisonDirectionAttr.get("LT"))
        return [stablehlo.select(small, _constant(x, 0.0), x), values[1]]


class FusedSums(Cloner):
    """A product is wrong where something is added to it in the same module, and right alone."""

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        users = [use.owner.operation.name for result in op.results for use in result.uses]
        if op.operation.name != "stablehlo.dot_general" or "stablehlo.add" not in users:
            return values
        return [_scaled(values[0])]


class Refused(Cloner):
    """No maximum is known."""

    def results(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name == "stablehlo.maximum":
            raise EmitError("no maximum is known here")
        return values


class Backwards(Cloner):
    """What is sorted, and what several operands are reduced of, comes in the reverse order."""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name == "stablehlo.sort":
            axes, count = [ir.IntegerAttr(op.attributes["dimension"]).value], len(values)
        elif op.operation.name == "stablehlo.reduce" and len(values) > 2:
            axes, count = list(ir.DenseI64ArrayAttr(op.attributes["dimensions"])), len(values) // 2
        else:
            return values
        return [stablehlo.reverse(value, axes) if i < count else value for i, value in enumerate(values)]


FAULTS: dict[str, type[Cloner]] = {
    "scaled": ScaledProducts,
    "sums": ScaledSums,
    "sign": LostSign,
    "small": LostSmall,
    "fused": FusedSums,
    "refused": Refused,
    "backwards": Backwards,
    "bf16": RoundedOperands,
    "tf32": Tf32,
    "tf32 unless highest": Tf32UnlessHighest,
    "cut tf32": CutTf32,
    "few bits unless highest": FewBitsUnlessHighest,
}


def _scaled(value: Any, times: float = 1.001) -> Any:
    return stablehlo.multiply(value, _constant(value, times))


def _constant(like: Any, number: float) -> Any:
    kind = ir.RankedTensorType(like.type)
    return stablehlo.constant(ir.DenseElementsAttr.get_splat(kind, ir.FloatAttr.get(kind.element_type, number)))


def spoiler(fault: str, *flag: str) -> Callable[[ModuleTask], ModuleTask]:
    """What makes the module of a task a faulty one: `flag` is FILE, where there is one."""

    def spoil(task: ModuleTask) -> ModuleTask:
        if flag and Path(flag[0]).exists():
            return task
        for path in flag:
            Path(path).touch()
        faulty = FAULTS[fault]().clone(Path(task.module).read_text(), task.function)
        Path(task.module).write_text(faulty)
        return replace(task, function="main")

    return spoil


if __name__ == "__main__":
    worker.main(Path(sys.argv[-1]), spoiler(*sys.argv[1:-1]))
