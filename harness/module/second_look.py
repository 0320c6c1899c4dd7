"""What is done before a difference is called a fault: other choices, other runs, other executors, another reference."""

from dataclasses import replace

import numpy as np

from harness.module.clone import Widener
from harness.module.execute import Execution, execute
from harness.module.executors import REFERENCE, SECOND_REFERENCES
from harness.module.experiment import MEMBERS, TIED, ModuleExperiment, noises
from harness.module.measure import NoisyEnsemble
from harness.module.words import DOUBT, FAULT, WRONG, ExecutorCheck, Word

RERUNS = 2
_INTERPRETER_S = 30.0  # what a confirmation by the interpreter may take


def with_ties(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """Where a pool chooses among equal elements: an error that another choice explains is called a tie."""
    suspected = any(result.word in ("doubt", "fault") for one in checks for result in one.results)
    if not suspected or "stablehlo.select_and_scatter" not in check.module.ops:
        return checks
    check.say("members that choose otherwise among equal elements …")
    tied = NoisyEnsemble(check.ensemble.reference, list(check.ensemble.spreads), check.ensemble.members)
    if check.members(noises(check.seed, TIED, MEMBERS, ties=True), tied).outcome != "ran":
        return checks

    def retold(one: ExecutorCheck) -> ExecutorCheck:
        if not one.results:
            return one
        found = check.ratios(one.execution.calls[0], tied)
        told = "another one of several equal elements was chosen, which the specification leaves open"
        results = [
            replace(result, word="tie", note=told) if result.word in ("doubt", "fault") and ratio < DOUBT else result
            for result, ratio in zip(one.results, found, strict=True)
        ]
        return replace(one, results=tuple(results))

    return [retold(one) for one in checks]


def reproduced(check: ModuleExperiment, one: ExecutorCheck) -> ExecutorCheck:
    """A fault is run again, each time in a fresh process; where a run is right, it is a race.

    Where none of them comes to its end, it is a doubt.
    """
    if one.word != "fault":
        return one
    executor = one.execution.executor
    again = [check.run(executor) for _ in range(RERUNS)]
    ran = [execution.calls[0] for execution in again if execution.calls]
    found = [check.ratios(results) for results in ran]
    results = []
    for number, result in enumerate(one.results):
        if result.word == "fault":
            wrong = 1 + sum(by_result[number] >= FAULT for by_result in found)
            told = f"wrong in {wrong} of {1 + len(ran)} runs"
            word: Word = "doubt" if not ran else "fault" if wrong == 1 + len(ran) else "race"
            result = replace(result, note=told if ran else "wrong in one run; no other came to its end", word=word)
        results.append(result)
    return replace(one, results=tuple(results))


def finite_elsewhere(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """A number that is not finite is a fault only where another executor of the same precision has a finite one.

    What overflows in f32 need not in f64, and the noise does not tell.
    """

    def overflows(one: ExecutorCheck, number: int) -> bool:
        wide = np.isfinite(np.asarray(check.ensemble.reference[number], np.float64))
        lost = wide & ~np.isfinite(one.execution.calls[0][number])
        others = [other for other in checks if other is not one and other.execution.calls]
        return bool(lost.any()) and not any(
            np.isfinite(other.execution.calls[0][number][lost]).all() for other in others
        )

    told = "not finite here, but in f64: that f32 overflows is not ruled out"
    return [
        replace(
            one,
            results=tuple(
                replace(result, word="doubt", note=told)
                if result.word == "fault" and overflows(one, number)
                else result
                for number, result in enumerate(one.results)
            ),
        )
        for one in checks
    ]


def confirmed(check: ModuleExperiment, checks: list[ExecutorCheck]) -> tuple[list[ExecutorCheck], str]:
    """The reference is one compiler's: before a fault is named, somebody else computes it as well.

    An executor of another compiler that agrees with it confirms it already.
    """
    faulty = {i for one in checks for i, result in enumerate(one.results) if result.word in WRONG}
    for one in checks:
        if one.execution.executor.compiler != REFERENCE.compiler and one.results:
            faulty -= {i for i, result in enumerate(one.results) if result.word == "rounding"}
    if not any(result.word in WRONG for one in checks for result in one.results):
        return checks, ""
    if not faulty:
        return checks, "by executors that agree with it"
    other = _second_reference(check)
    if not other.calls:
        return checks, f"by nobody: {other.executor.name} in f64: {other.outcome} ({other.message})"
    found = check.ratios(other.calls[0])
    wrong = {i for i in faulty if found[i] >= DOUBT}
    told = f"the reference itself is in doubt: {other.executor.name} computes another one in f64"
    checks = [
        replace(
            one,
            results=tuple(
                replace(result, word="reference in doubt", note=told) if i in wrong and result.word in WRONG else result
                for i, result in enumerate(one.results)
            ),
        )
        for one in checks
    ]
    return checks, "" if wrong else f"by {other.executor.name} in f64"


def _second_reference(check: ModuleExperiment) -> Execution:
    """The f64 version without noise, by the first that can."""
    wide = Widener().clone(check.module.inlined, "main")
    last = None
    for executor in SECOND_REFERENCES:
        check.say(f"{executor.name} in f64, to confirm the reference …")
        limit = _INTERPRETER_S if executor.operation_s else check.timeout_s
        last = execute(
            executor,
            wide,
            "main",
            check.wide_arguments(),
            timeout_s=limit,
            operations=check.module.operations,
        )
        if last.calls:
            return last
    assert last is not None
    return last
