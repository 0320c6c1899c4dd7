"""The reduced program held against the original in f64: the first samples have to be what they were."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.module.batch.dimension import first_samples
from harness.module.batch.reduction import ReducedModule
from harness.module.clone import Widener
from harness.module.execute import Execution, execute
from harness.module.executors import REFERENCE
from harness.module.measure import difference, finite_norm
from harness.module.task import Array

F64_ROUNDING = 1e-9  # relative: far above what f64 rounds, far below what another program computes


@dataclass(frozen=True)
class ComparedValue:
    """A value of the first samples in both programs. `error`: relative to its norm."""

    name: str
    error: float


@dataclass(frozen=True)
class BatchComparison:
    """What was compared. `note`: why nothing was, empty where something was."""

    values: tuple[ComparedValue, ...] = ()
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether the reduced program computes something else."""
        return any(not value.error <= F64_ROUNDING for value in self.values)


def reduced_arguments(reduced: ReducedModule, arguments: Sequence[Array]) -> list[Array]:
    """What the reduced module is fed: the first samples of arguments that hold them."""
    return [
        first_samples(array, reduced.arguments[i], reduced.to) if i in reduced.arguments else array
        for i, array in enumerate(arguments)
    ]


def compare_first_samples(reduced: ReducedModule, arguments: Sequence[Array], timeout_s: float) -> BatchComparison:
    """Run both in f64 and compare values that depend on one sample alone. `arguments`: of the original."""
    probe = reduced.probe
    if not probe.names:
        return BatchComparison(note="each value depends on several samples")
    fed = (arguments, reduced_arguments(reduced, arguments))
    runs = [_wide(text, given, timeout_s) for text, given in zip((probe.original, probe.reduced), fed, strict=True)]
    for run, whose in zip(runs, ("the original", "the reduced module"), strict=True):
        if run.outcome != "ran":
            return BatchComparison(note=f"{whose} in f64: {run.outcome}, {run.message}")
    wholes, parts = (run.calls[0] for run in runs)
    values = []
    for name, dimensions, whole, part in zip(probe.names, probe.dimensions, wholes, parts, strict=True):
        expected = first_samples(whole, dimensions, reduced.to)
        error = difference(part, expected).norm / (finite_norm(expected) or 1.0)
        values.append(ComparedValue(name, error))
    return BatchComparison(tuple(values))


def _wide(text: str, arguments: Sequence[Array], timeout_s: float) -> Execution:
    given = [array.astype(np.float64) if array.dtype == np.float32 else array for array in arguments]
    return execute(REFERENCE, Widener().clone(text, "main"), "main", given, timeout_s=timeout_s)
