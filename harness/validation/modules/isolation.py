"""Whether `isolate` names the operation that an executor gets wrong."""

import time
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from harness.module.executors import ModuleExecutor
from harness.module.inputs import draw
from harness.module.isolate.search import isolate
from harness.validation.modules.examination import SEED, TIMEOUT_S
from harness.validation.modules.faults import OpFault, marked
from harness.validation.modules.faulty import faulty

Named = Literal["operation", "set", "other", "nothing"]


class IsolationFinding(msgspec.Struct, frozen=True):
    """What was named: the faulty operation, a set with it, others only, or nothing.

    `sets`: what was found wrong, in words; `words`: of the verdicts on them; `windows`, `trials`: how many.
    """

    named: Named
    sets: tuple[str, ...]
    words: tuple[str, ...]
    windows: int
    trials: int
    seconds: float

    @property
    def others(self) -> int:
        """Sets that were found wrong beside that with the faulty operation."""
        return len(self.sets) - (self.named in ("operation", "set"))


def examine_isolation(fault: OpFault, executor: ModuleExecutor) -> IsolationFinding:
    """`isolate` on an executor that has the fault."""
    found, started = marked(fault), time.monotonic()
    fed = draw(found.module, SEED)
    isolation = isolate(found.module, faulty(executor), fed, seed=SEED, timeout_s=TIMEOUT_S, whole=True)
    sets = [tuple(op.number for op in one.ops) for one in isolation.faults]
    return IsolationFinding(
        named=named(sets, found.place),
        sets=tuple(", ".join(map(str, one.ops)) for one in isolation.faults),
        words=tuple(one.confirmation.word for one in isolation.faults),
        windows=len(isolation.windows),
        trials=isolation.trials,
        seconds=time.monotonic() - started,
    )


def named(sets: Sequence[Collection[int]], place: int) -> Named:
    """How sets of operations, by number, name the faulty one."""
    with_it = [one for one in sets if place in one]
    if not with_it:
        return "other" if sets else "nothing"
    return "operation" if any(len(one) == 1 for one in with_it) else "set"
