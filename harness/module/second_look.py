"""What is done before a difference is called a fault: other choices, other runs, other executors, another reference."""

from dataclasses import replace

from harness.module.clone import Widener
from harness.module.execute import Execution
from harness.module.executors import REFERENCE, SECOND_REFERENCES, confirmation_limit
from harness.module.experiment import ModuleExperiment
from harness.module.explanations import EXPLANATIONS, Explains, Explanation, Versions
from harness.module.members import choosing_members
from harness.module.words import DOUBT, FAULT, WRONG, ExecutorCheck, ResultCheck, Word

RERUNS = 2
_SUSPECT = ("doubt", "fault")


def with_ties(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """Where the module chooses among equal elements: an error that another choice explains is called a tie."""
    suspected = any(_unexplained(result) for one in checks for result in one.results)
    if not suspected or not check.chooses:
        return checks
    check.say("members that choose otherwise among equal elements …")
    tied = check.ensemble.begun()
    if check.members(choosing_members(check.seed), tied).outcome != "ran":
        return checks

    def retold(one: ExecutorCheck) -> ExecutorCheck:
        if not one.results:
            return one
        found = check.ratios(one.execution.calls[0], tied)
        told = "another one of several equal elements was chosen, which the specification leaves open"
        results = [
            replace(result, word="tie", note=told) if _unexplained(result) and ratio < DOUBT else result
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


def with_explanations(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """An error that something else explains than a fault is called by that; each is tried while errors are left."""
    kinds = [result.type for result in check.module.results]
    versions = Versions(check.module.inlined, check.ensemble, kinds, check.timeout_s, check.in_f64, check.in_f32)
    for explanation in EXPLANATIONS:
        left = [result.ratio for one in checks for result in one.results if _unexplained(result)]
        if explanation.is_worth_trying(left):
            check.say(explanation.says)
            explains = explanation.begin(versions)
            if explains is not None:
                checks = [_retold(one, explanation, explains) for one in checks]
    return checks


def _unexplained(result: ResultCheck) -> bool:
    return result.word in _SUSPECT and not result.note


def _retold(one: ExecutorCheck, explanation: Explanation, explains: Explains) -> ExecutorCheck:
    """The check with another word for the suspected results that are explained."""
    if not one.results:
        return one
    numbers = explains(one.execution.calls[0])
    results = [
        replace(result, word=explanation.word, note=explanation.note)
        if _unexplained(result) and number in numbers
        else result
        for number, result in enumerate(one.results)
    ]
    return replace(one, results=tuple(results))


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
    other, missing = _second_reference(check)
    if other is None:
        return checks, f"by nobody: {missing}"
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


def _second_reference(check: ModuleExperiment) -> tuple[Execution | None, str]:
    """The f64 version without noise, by the first that can, and why those before it cannot."""
    wide, missing = Widener().clone(check.module.inlined, "main"), []
    for executor in SECOND_REFERENCES:
        check.say(f"{executor.name} in f64, to confirm the reference …")
        run = check.in_f64(executor, wide, confirmation_limit(executor, check.timeout_s))
        if run.calls:
            return run, ""
        missing.append(f"{executor.name} in f64: {run.outcome} ({run.message})")
    return None, "; ".join(missing)
