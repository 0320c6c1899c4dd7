"""A worker whose compiler is wrong: `python faulty_worker.py FAULT [FILE] TASK`, with a fault of `FAULTS`.

With FILE it is wrong once: only while that file is not there, which it makes.
"""

import sys
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


class LostSign(Cloner):
    """Every difference of parameters, 12x6, is a sum."""

    def operands(self, op: Any, values: list[Any]) -> list[Any]:
        if op.operation.name == "stablehlo.subtract" and list(ir.RankedTensorType(values[0].type).shape) == [12, 6]:
            return [values[0], stablehlo.negate(values[1])]
        return values


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


FAULTS: dict[str, type[Cloner]] = {
    "scaled": ScaledProducts,
    "sign": LostSign,
    "fused": FusedSums,
    "refused": Refused,
}


def _scaled(value: Any) -> Any:
    kind = ir.RankedTensorType(value.type)
    factor = ir.DenseElementsAttr.get_splat(kind, ir.FloatAttr.get(kind.element_type, 1.001))
    return stablehlo.multiply(value, stablehlo.constant(factor))


def main() -> None:
    """Do the tasks with modules that have the fault."""
    fault, *flag, given = sys.argv[1:]

    def spoil(task: ModuleTask) -> ModuleTask:
        if flag and Path(flag[0]).exists():
            return task
        for path in flag:
            Path(path).touch()
        faulty = FAULTS[fault]().clone(Path(task.module).read_text(), task.function)
        Path(task.module).write_text(faulty)
        return replace(task, function="main")

    worker.main(Path(given), spoil)


if __name__ == "__main__":
    main()
