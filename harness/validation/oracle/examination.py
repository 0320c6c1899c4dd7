"""One case in one dtype, from its two programs to what is judged of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from harness.nn.cases import OracleCase
from harness.run.inprocess import Batch, Step, Tensors, first_batches, reference_interpreter
from harness.spec.netspec import DType, Param
from harness.spec.shapes import size
from harness.validation.oracle.judgement import (
    GRADIENT,
    LOSS_F64,
    Largest,
    complaints,
    gradient_difference,
    loss_differences,
    rounding_decides,
    update_difference,
)
from harness.validation.oracle.side_by_side import SideBySide

STEPS = 3
# What the reference interpreter does in about a minute.
INTERPRETER_LIMIT = 100_000_000


@dataclass(frozen=True)
class InterpretedStep:
    """Step 1 of phase 3 in the reference interpreter, against both pipelines; None where it would take too long.

    `operations`: scalar operations that it takes. `loss_difference`: the larger of the two. Units: nats.
    """

    operations: int
    against_phase2: Largest | None = None
    against_phase3: Largest | None = None
    loss_difference: float = 0.0

    @property
    def agrees(self) -> bool:
        """True where gradients and loss agree with both pipelines; also where the interpreter was not run."""
        sides = (self.against_phase2, self.against_phase3)
        return all(s is None or s.within(GRADIENT["f64"]) for s in sides) and self.loss_difference <= LOSS_F64


class OracleFinding(msgspec.Struct, frozen=True):
    """The result of a case in one dtype. `complaints`: the criteria not met; none: it agrees.

    `interpreter`: None where the reference interpreter was not asked for; JSON calls it `third`. `shown_only`: its
    gradients and losses were not judged, since rounding alone decides how far they are apart.
    """

    params: int
    gradient: Largest
    losses: tuple[float, ...]
    optimizer: Largest
    interpreter: InterpretedStep | None = msgspec.field(name="third")
    complaints: tuple[str, ...]
    shown_only: bool = False


def examine(case: OracleCase, dtype: DType, folder: Path, interpreter: bool) -> OracleFinding:
    """Run both programs of the case on its first batches and judge them.

    `folder`: the data. `interpreter`: also run step 1 in the reference interpreter, in f64.

    Raises: HarnessError when a program cannot be made, or the data not be had.
    """
    graph = case.graph()
    first = first_batches(graph, case.config, folder, STEPS, dtype)
    both = SideBySide(graph, case.config, dtype)
    return judge(both, first.batches, first.steps_per_epoch, case.tolerance, interpreter)


def judge(
    both: SideBySide, batches: Sequence[Batch], steps_per_epoch: int, tolerance: float | None, interpreter: bool
) -> OracleFinding:
    """Run both programs on the batches and hold them to every criterion."""
    phase2, phase3 = both.phase2(batches, steps_per_epoch), both.phase3(batches, steps_per_epoch)
    gradient = gradient_difference(phase3[0].grads, phase2[0].grads)
    losses = loss_differences(phase3, phase2)
    optimizer = optimizers_apart(both)
    said = complaints(both.dtype, tolerance, gradient, losses, optimizer)
    interpreted = None
    if interpreter and both.dtype == "f64":
        interpreted = compare_interpreted(both, batches[0], steps_per_epoch, phase2[0], phase3[0])
        said += interpreter_complaints(interpreted)
    shown_only = rounding_decides(both.dtype, tolerance)
    return OracleFinding(both.graph.total_params, gradient, losses, optimizer, interpreted, tuple(said), shown_only)


def optimizers_apart(both: SideBySide) -> Largest:
    """Both updates from the same drawn parameters along the same drawn gradients, three times.

    An update is elementwise: the smallest tensor of each kind, that is of each rank, decayed and not, stands for all. A
    tenth of the elements is zero, the others spread over many orders of magnitude: down to where Adam's epsilon
    outweighs the gradient, and a parameter its move.
    """
    rng = np.random.default_rng(0)
    kinds: dict[tuple[int, bool], Param] = {}
    for p in sorted(both.graph.params, key=lambda p: size(p.shape)):
        kinds.setdefault((len(p.shape), p.decays), p)

    def draw(smallest: float) -> Tensors:
        tensors = {}
        for p in kinds.values():
            spread = rng.normal(size=p.shape) * 10 ** rng.uniform(smallest, 0, p.shape)
            tensors[p.name] = np.where(rng.random(p.shape) < 0.1, 0, spread).astype(both.sides[0].kind)
        return tensors

    start, gradients = draw(-6), [draw(-12) for _ in range(STEPS)]
    phase2, phase3 = both.update_phase2(start, gradients), both.update_phase3(start, gradients)
    return update_difference(start, phase3, phase2, both.config.optimizer)


def compare_interpreted(
    both: SideBySide, batch: Batch, steps_per_epoch: int, phase2: Step, phase3: Step
) -> InterpretedStep:
    """Run step 1 of the phase-3 program in the reference interpreter, unless it would take too long."""
    operations = reference_interpreter.operations(both.train_step, "train_step")
    if operations > INTERPRETER_LIMIT:
        return InterpretedStep(operations)
    step = both.interpreted(batch, steps_per_epoch)
    return InterpretedStep(
        operations,
        gradient_difference(step.grads, phase2.grads),
        gradient_difference(step.grads, phase3.grads),
        max(loss_differences([step, step], [phase2, phase3])),
    )


def interpreter_complaints(interpreted: InterpretedStep) -> list[str]:
    """The side that a difference comes from, told by the interpreter, which runs phase 3's own text."""
    if interpreted.agrees:
        return []
    if interpreted.against_phase3 is not None and interpreted.against_phase3.within(GRADIENT["f64"]):
        return ["the interpreter agrees with phase 3: the derivation differs, not the compiler"]
    if interpreted.against_phase2 is not None and interpreted.against_phase2.within(GRADIENT["f64"]):
        return ["the interpreter agrees with phase 2: phase 3's compiler differs, not the derivation"]
    return ["the interpreter agrees with neither pipeline"]
