"""Runs of one module at one input: as it is on an executor, and its noisy f64 version by members."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from harness.module.execute import Execution, execute
from harness.module.executors import REFERENCE, ModuleExecutor
from harness.module.load import StableModule
from harness.module.measure import NoisyEnsemble, Size, TakesMembers, ratios, smallest_bound
from harness.module.noise import NoisyWidener
from harness.module.session import Session
from harness.module.task import Array, Noise


@dataclass
class ModuleExperiment:
    """What the steps of a check share: the module, what it is fed, the ensemble so far. A context manager.

    `say`: is told what runs; `most_bytes`: as of `execute`.
    """

    module: StableModule
    arguments: Sequence[Array]
    seed: int
    timeout_s: float
    say: Callable[[str], None]
    most_bytes: int | None = None
    ensemble: NoisyEnsemble = field(default_factory=NoisyEnsemble)
    _stack: ExitStack = field(default_factory=ExitStack)
    _sessions: dict[str, Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        widener = NoisyWidener()
        self._noisy = widener.clone(self.module.inlined, "main")
        self.chooses = widener.chooses  # among equal elements

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()
        self._sessions.clear()

    def run(self, executor: ModuleExecutor, text: str = "") -> Execution:
        """The module as it is, or another `text` of it."""
        self.say(f"{executor.name} …")
        return execute(
            executor,
            text or self.module.text,
            self.module.function,
            self.arguments,
            timeout_s=self.timeout_s,
            operations=self.module.operations,
            most_bytes=self.most_bytes,
        )

    def wide_arguments(self) -> list[Array]:
        """The same numbers in f64."""
        return [a.astype(np.float64) if a.dtype == np.float32 else a for a in self.arguments]

    def members(
        self, noises: Sequence[Noise], ensemble: TakesMembers, noisy: str = "", also: Sequence[Array] = ()
    ) -> Execution:
        """Run members of the noisy version, or of another one, and let the ensemble take them.

        `also`: what that other one is fed after the arguments of the module.
        """
        session = self._session(REFERENCE)
        session.begin(noisy or self._noisy, [*self.wide_arguments(), *also], noises=noises)
        return session.end(ensemble.take)

    def in_f64(self, executor: ModuleExecutor, text: str, timeout_s: float | None = None) -> Execution:
        """A version in f64 on an executor, in a process that lasts as long as the check."""
        session = self._session(executor, timeout_s)
        return session.run(text, self.wide_arguments(), operations=self.module.operations)

    def in_f32(self, executor: ModuleExecutor, timeout_s: float) -> Execution:
        """The module as it is, in the same process."""
        session = self._session(executor, timeout_s)
        return session.run(self.module.inlined, self.arguments, operations=self.module.operations)

    def _session(self, executor: ModuleExecutor, timeout_s: float | None = None) -> Session:
        if executor.name not in self._sessions:
            session = Session(executor, self.timeout_s if timeout_s is None else timeout_s, self.most_bytes)
            self._sessions[executor.name] = self._stack.enter_context(session)
        return self._sessions[executor.name]

    def ratios(self, results: Sequence[Array], ensemble: NoisyEnsemble | None = None) -> list[float]:
        """Errors over what rounding does, by result."""
        held = ensemble or self.ensemble
        kinds = [result.type for result in self.module.results]
        return ratios(results, held.reference, held.spreads, kinds)

    def bound(self, number: int) -> Size:
        """What rounding does to a result, its own rounding included."""
        kind, exact = self.module.results[number].type, self.ensemble.reference[number]
        return self.ensemble.spreads[number].grown(smallest_bound(kind, exact))
