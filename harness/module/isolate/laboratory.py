"""Parts of a program on an executor, each beside its f64 version with rounding noise at the same input."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from harness.module.execute import Execution
from harness.module.executors import REFERENCE, ModuleExecutor
from harness.module.isolate.program import OperationGraph, ProgramPart
from harness.module.measure import NoisyEnsemble, ratios
from harness.module.members import EXACT, choosing_members, first_members, more_members
from harness.module.noise import NoisyWidener
from harness.module.session import Session
from harness.module.signature import TensorType
from harness.module.task import Array
from harness.module.words import DOUBT
from harness.run.inprocess.reference_interpreter import operations

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Trial:
    """A part on the executor. `ratios`: of its outputs, empty unless it ran there and has a reference.

    `reference`: how its f64 version ran; `values`: what that computed, in the types of the program, by number.
    `tied`: outputs whose error another choice among equal elements explains.
    """

    part: ProgramPart
    execution: Execution
    reference: Execution
    values: dict[int, Array]
    ratios: dict[int, float]
    ensemble: NoisyEnsemble
    tied: frozenset[int] = frozenset()

    @property
    def worst(self) -> tuple[float, int]:
        """The largest ratio that no tie explains, and the value that has it."""
        left = [(ratio, value) for value, ratio in self.ratios.items() if value not in self.tied]
        return max(left, default=(0.0, -1))

    @property
    def outcome(self) -> str:
        """`ran`, or why there is nothing to compare."""
        if self.reference.outcome != "ran":
            return f"no reference: {self.reference.outcome}"
        return self.execution.outcome


class Laboratory:
    """Two processes that run parts of one program: the executor's and that of the reference. A context manager."""

    def __init__(
        self,
        program: OperationGraph,
        executor: ModuleExecutor,
        *,
        seed: int,
        timeout_s: float,
        most_bytes: int | None = None,
    ) -> None:
        self.program = program
        self.executor = executor
        self.seed = seed
        self.timeout_s = timeout_s
        self.most_bytes = most_bytes
        self.trials = 0
        self._stack = ExitStack()
        self._tested = Session(executor, timeout_s, most_bytes)
        self._exact = Session(REFERENCE, timeout_s, most_bytes)
        self._asked: dict[str, Session] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self._tested)
        self._stack.enter_context(self._exact)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def values(self, part: ProgramPart, known: Mapping[int, Array]) -> dict[int, Array]:
        """The outputs of a part in f64, in the types of the program; none where it cannot be computed."""
        fed = [widened(known[value]) for value in part.inputs]
        done = self._exact.run(NoisyWidener().clone(self.program.text(part), "main"), fed, noises=[EXACT])
        return self._narrowed(part, done.calls[0]) if done.calls else {}

    def aside(self, executor: ModuleExecutor, text: str, fed: Sequence[Array], timeout_s: float) -> Execution:
        """Another module on another executor, in a process that lasts as long as the laboratory.

        `timeout_s`: of all that the executor is asked; the reference keeps its own.
        """
        if executor == REFERENCE:
            return self._exact.run(text, fed)
        if executor.name not in self._asked:
            self._asked[executor.name] = self._stack.enter_context(Session(executor, timeout_s, self.most_bytes))
        return self._asked[executor.name].run(text, fed, operations=operations(text, "main"))

    def members(self, noisy: str, fed: Sequence[Array]) -> NoisyEnsemble:
        """The members of a noisy module, which is another than that of the part; without a reference where it fails."""
        ensemble = NoisyEnsemble()
        self._exact.begin(noisy, [widened(a) for a in fed], noises=first_members(self.seed))
        self._exact.end(ensemble.take)
        return ensemble

    def judge(self, part: ProgramPart, known: Mapping[int, Array]) -> Trial:
        """Run a part on both. `known`: values by number, among them its inputs."""
        self.trials += 1
        text, kinds = self.program.text(part), [self.program.types[value] for value in part.outputs]
        fed = [known[value] for value in part.inputs]
        widener, wide, ensemble = NoisyWidener(), [widened(array) for array in fed], NoisyEnsemble()
        noisy = widener.clone(text, "main")
        self._exact.begin(noisy, wide, noises=first_members(self.seed))
        # Second: an executor without a lasting process computes here and now.
        self._tested.begin(text, fed, operations=operations(text, "main") if self.executor.operation_s else 0)
        execution = self._tested.end()
        reference = self._exact.end(ensemble.take)
        if reference.outcome != "ran" or not execution.calls:
            values = self._narrowed(part, ensemble.reference) if ensemble.reference else {}
            return Trial(part, execution, reference, values, {}, ensemble)
        ensemble.reference = [_overflown(array, kind) for array, kind in zip(ensemble.reference, kinds, strict=True)]
        results, tied = execution.calls[0], frozenset[int]()
        found = ratios(results, ensemble.reference, ensemble.spreads, kinds)
        if max(found, default=0.0) >= DOUBT:
            self._exact.begin(noisy, wide, noises=more_members(self.seed))
            self._exact.end(ensemble.take)
            found = ratios(results, ensemble.reference, ensemble.spreads, kinds)
        if max(found, default=0.0) >= DOUBT and widener.chooses:
            loose = ensemble.begun()
            self._exact.begin(noisy, wide, noises=choosing_members(self.seed))
            self._exact.end(loose.take)
            otherwise = ratios(results, loose.reference, loose.spreads, kinds)
            both = zip(part.outputs, found, otherwise, strict=True)
            tied = frozenset(value for value, ratio, other in both if ratio >= DOUBT > other)
        return Trial(
            part=part,
            execution=execution,
            reference=reference,
            values=self._narrowed(part, ensemble.reference),
            ratios=dict(zip(part.outputs, found, strict=True)),
            ensemble=ensemble,
            tied=tied,
        )

    def bad(self, part: ProgramPart, known: Mapping[int, Array], value: int, tries: int) -> Trial | None:
        """The trial in which a value of a part is wrong, among so many; None where it never is."""
        for _ in range(tries):
            trial = self.judge(part, known)
            if value not in trial.tied and trial.ratios.get(value, 0.0) >= DOUBT:
                return trial
        return None

    def _narrowed(self, part: ProgramPart, reference: Sequence[Array]) -> dict[int, Array]:
        with np.errstate(over="ignore"):
            return {
                value: np.asarray(array).astype(self.program.types[value].dtype)
                for value, array in zip(part.outputs, reference, strict=True)
            }


def widened(array: Array) -> Array:
    """The same numbers in f64, where they are f32."""
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _overflown(array: Array, kind: TensorType) -> Array:
    """Infinite where f32 is: what does not fit into its own type is no error."""
    if kind.element != "f32":
        return array
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(array) > _LARGEST, np.sign(array) * np.inf, array)
