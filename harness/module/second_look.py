"""What is done before a difference is called a fault: other choices, other runs, other executors, another reference."""

from collections.abc import Callable
from dataclasses import replace

from harness.module.clone import Widener
from harness.module.execute import Execution
from harness.module.executors import INTERPRETER, REFERENCE, SECOND_REFERENCES, confirmation_limit
from harness.module.experiment import ModuleExperiment
from harness.module.f32_range import Flushed, WithinRange
from harness.module.measure import NoisyEnsemble, difference
from harness.module.members import choosing_members
from harness.module.words import (
    AS_WITHOUT_COMPILER,
    DOUBT,
    FAULT,
    FLUSHED,
    OUT_OF_RANGE,
    WRONG,
    ExecutorCheck,
    ResultCheck,
    Word,
)

RERUNS = 2
_SUSPECT = ("doubt", "fault")
_DRIFT = 1e3  # errors to one side are at most sqrt(3 K) times as large as random ones: in a sum of a third of a million


def with_ties(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """Where the module chooses among equal elements: an error that another choice explains is called a tie."""
    suspected = any(result.word in _SUSPECT for one in checks for result in one.results)
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
            replace(result, word="tie", note=told) if result.word in _SUSPECT and ratio < DOUBT else result
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


def with_flushing(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """An error that comes of numbers below the smallest normal one, taken for zero, is rounding."""
    if not any(result.word in _SUSPECT for one in checks for result in one.results):
        return checks
    check.say("f64 with numbers below the smallest normal one taken for zero …")
    run = check.in_f64(REFERENCE, Flushed().clone(check.module.inlined, "main"))
    if not run.calls:
        return checks
    flushed = NoisyEnsemble(run.calls[0], check.ensemble.spreads, check.ensemble.members)

    def retold(one: ExecutorCheck) -> ExecutorCheck:
        found = check.ratios(one.execution.calls[0], flushed) if one.results else []
        return _retold([one], lambda number: found[number] < DOUBT, "rounding", FLUSHED)[0]

    return [retold(one) for one in checks]


def within_range(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """An error of a result that f32 leaves its range on the way to is a doubt: what comes of that is left open."""
    if not any(result.word in _SUSPECT for one in checks for result in one.results):
        return checks
    check.say("f64 within the range of f32 …")
    run = check.in_f64(REFERENCE, WithinRange().clone(check.module.inlined, "main"))
    if not run.calls:
        return checks
    outside = {number for number, ratio in enumerate(check.ratios(run.calls[0])) if ratio >= DOUBT}
    return _retold(checks, outside.__contains__, "doubt", OUT_OF_RANGE)


def as_without_compiler(check: ModuleExperiment, checks: list[ExecutorCheck]) -> list[ExecutorCheck]:
    """An error that the interpreter has as well, in f32 and in the order of the text, is rounding.

    The members round at random. A long sum of equal terms does not: every addition errs to the same side. In f64 the
    interpreter has to agree with the reference, which may be what is wrong.
    """
    if not any(_unexplained(result) and result.ratio < _DRIFT for one in checks for result in one.results):
        return checks
    check.say("the interpreter in f32 and in f64 …")
    limit = confirmation_limit(INTERPRETER, check.timeout_s)
    run = check.in_f32(INTERPRETER, limit)
    exact = check.in_f64(INTERPRETER, Widener().clone(check.module.inlined, "main"), limit) if run.calls else run
    if not exact.calls:
        return checks
    agreed = {number for number, ratio in enumerate(check.ratios(exact.calls[0])) if ratio < DOUBT}
    reference = check.ensemble.reference
    far = [difference(result, wide) for result, wide in zip(run.calls[0], reference, strict=True)]

    def retold(one: ExecutorCheck) -> ExecutorCheck:
        if not one.results:
            return one
        errors = [difference(a, b) for a, b in zip(one.execution.calls[0], reference, strict=True)]
        near = {n for n, (e, f) in enumerate(zip(errors, far, strict=True)) if e.within(f, DOUBT)} & agreed
        return _retold([one], near.__contains__, "rounding", AS_WITHOUT_COMPILER)[0]

    return [retold(one) for one in checks]


def _unexplained(result: ResultCheck) -> bool:
    return result.word in _SUSPECT and not result.note


def _retold(checks: list[ExecutorCheck], which: Callable[[int], bool], word: Word, told: str) -> list[ExecutorCheck]:
    """The checks with another word for suspected results."""
    return [
        replace(
            one,
            results=tuple(
                replace(result, word=word, note=told) if _unexplained(result) and which(number) else result
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
