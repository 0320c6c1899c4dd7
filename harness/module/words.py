"""The words of a verdict on a module, and the records that hold them."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from harness.module.execute import Execution
from harness.module.load import StableModule
from harness.module.task import Outcome

Word = Literal["empty", "rounding", "tie", "no number", "doubt", "reference in doubt", "precision", "race", "fault"]
MILDEST_FIRST: tuple[Word, ...] = get_args(Word)
WRONG: tuple[Word, ...] = ("precision", "race", "fault")  # what another reference has to confirm
# Outcomes of an executor that has the module and did not come to its end with it, which is no agreement.
UNFINISHED: tuple[Outcome, ...] = ("timed out", "hung", "out of memory", "crashed", "not started")
OUT_OF_RANGE = "numbers on the way leave the range of f32, and what comes of that is left open"
FLUSHED = "as with numbers below the smallest normal one of f32 taken for zero, as most executors take them"
AS_WITHOUT_COMPILER = "the interpreter, which no compiler has touched, is as far off in f32"
DOUBT, FAULT = 4.0, 16.0  # ratios: healthy programs stay below 2, faults begin at 17


@dataclass(frozen=True)
class ResultCheck:
    """A result of an executor. `ratio`: its error over what rounding does.

    `error`, `bound`: relative to the norm of `of`: of the update, result - argument, where the result is an argument's
    new value, else of the result. What is smaller than `bound` this check does not see.
    """

    name: str
    word: Word
    ratio: float
    error: float
    bound: float
    of: Literal["update", "value"]
    note: str = ""


@dataclass(frozen=True)
class ExecutorCheck:
    """An executor: how it ran, and its results if it did."""

    execution: Execution
    results: tuple[ResultCheck, ...] = ()

    @property
    def word(self) -> str:
        """The worst word of its results, or how it ended without any."""
        if self.execution.outcome != "ran":
            return self.execution.outcome
        return max((result.word for result in self.results), key=MILDEST_FIRST.index, default="no number")


@dataclass(frozen=True)
class ModuleCheck:
    """The verdict on a module at one input. `members`: of the ensemble; `reference`: how the reference ran.

    `confirmed`: who else computed the reference, empty where nobody was asked.
    """

    module: StableModule
    reference: Execution
    members: int
    executors: tuple[ExecutorCheck, ...]
    confirmed: str = ""

    @property
    def exit_code(self) -> int:
        """0 rounding only, 1 a fault or a lower precision, 3 nothing compared, a doubt, or somebody did not finish."""
        words = [check.word for check in self.executors]
        if any(word in WRONG for word in words):
            return 1
        fine = [word for word in words if word in ("rounding", "tie")]
        doubtful = [word for word in words if word in ("doubt", "reference in doubt", "no number", *UNFINISHED)]
        return 0 if fine and not doubtful else 3


def largest_ratio(one: ExecutorCheck) -> float:
    """Of its results; NaN without any."""
    return max((result.ratio for result in one.results), default=math.nan)
