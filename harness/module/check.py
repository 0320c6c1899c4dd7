"""One verdict word for each executor and result: is what it is off by rounding, or a fault?

The bound is measured, not chosen: the f64 version of the program, run with rounding noise in it, says how far rounding
moves each result at this input. Before a fault is called one it is reproduced, and its reference is confirmed by
something else than the compiler that made it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from harness.errors import ModuleError
from harness.module.execute import Execution
from harness.module.executors import ModuleExecutor
from harness.module.experiment import ModuleExperiment
from harness.module.flips import with_flips
from harness.module.load import StableModule
from harness.module.measure import compared, finite_norm
from harness.module.members import MEMBERS, MORE_MEMBERS, first_members, more_members
from harness.module.precision import in_lower_precision
from harness.module.second_look import confirmed, reproduced, with_explanations, with_ties
from harness.module.task import Array
from harness.module.words import DOUBT, FAULT, ExecutorCheck, ModuleCheck, ResultCheck, Word


def check_module(
    module: StableModule,
    executors: Sequence[ModuleExecutor],
    arguments: Sequence[Array],
    *,
    seed: int,
    timeout_s: float,
    say: Callable[[str], None] = lambda line: None,
    most_bytes: int | None = None,
) -> ModuleCheck:
    """Run the module on each executor and judge every result. `seed`: of the noise; `say`: is told what runs.

    `timeout_s`, `most_bytes`: what one executor may take, as of `execute`.

    Raises: ModuleError for a module with an operation that is not judged.
    """
    refuse_unjudged(module)
    with ModuleExperiment(module, arguments, seed, timeout_s, say, most_bytes) as check:
        return _checked(check, executors)


def _checked(check: ModuleExperiment, executors: Sequence[ModuleExecutor]) -> ModuleCheck:
    check.say(f"reference in f64, and {MEMBERS} members with rounding noise …")
    reference = check.members(first_members(check.seed), check.ensemble)
    if reference.outcome != "ran":
        return ModuleCheck(check.module, reference, 0, ())
    executions = [check.run(executor) for executor in executors]
    checks = [_judge(check, execution) for execution in executions]
    if any(result.word in ("doubt", "fault") for one in checks for result in one.results):
        check.say(f"{MORE_MEMBERS} more members …")
        check.members(more_members(check.seed), check.ensemble)
        checks = [_judge(check, execution) for execution in executions]
    checks = with_explanations(check, with_ties(check, checks))
    checks = [in_lower_precision(check, reproduced(check, one)) for one in checks]
    checks, by_whom = confirmed(check, checks)
    return ModuleCheck(check.module, reference, check.ensemble.members, tuple(with_flips(check, checks)), by_whom)


def refuse_unjudged(module: StableModule) -> None:
    """Raise: ModuleError for a module with an operation that is not judged."""
    if module.refusals:
        more = f" (and {len(module.refusals) - 1} more)" if len(module.refusals) > 1 else ""
        raise ModuleError(
            f"{module.path}: {module.refusals[0]}{more}. `harness module inspect` lists what is not judged."
        )


def _judge(check: ModuleExperiment, execution: Execution) -> ExecutorCheck:
    """An executor with the words that the ratios alone give its results."""
    if not execution.calls:
        return ExecutorCheck(execution)
    judged = []
    for number, ratio in enumerate(check.ratios(execution.calls[0])):
        result, exact = check.module.results[number], np.asarray(check.ensemble.reference[number], np.float64)
        error, left, untold = compared(
            execution.calls[0][number], check.ensemble.reference[number], check.ensemble.spreads[number]
        )
        origin = 0.0 if result.argument is None else np.asarray(check.arguments[result.argument], np.float64)
        with np.errstate(invalid="ignore"):
            scale = finite_norm(exact - origin) or finite_norm(exact) or 1.0
        word: Word = "rounding" if ratio < DOUBT else "doubt" if ratio < FAULT else "fault"
        note = ""
        if ratio < DOUBT and left:
            note = f"rounding decides whether {left:,} of {exact.size:,} elements are numbers, which are left out"
            word = "doubt" if untold else "no number" if left == exact.size else word
        if ratio < DOUBT and not np.isfinite(exact).any():
            word = "no number" if exact.size else "empty"
        judged.append(
            ResultCheck(
                name=result.name,
                word=word,
                ratio=ratio,
                error=error.norm / scale,
                bound=DOUBT * check.bound(number).norm / scale,
                of="value" if result.argument is None else "update",
                note=note,
            )
        )
    return ExecutorCheck(execution, tuple(judged))
