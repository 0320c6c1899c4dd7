"""Before a set of operations is reported: fresh runs of it, and a second opinion on its reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.module.clone import Widener
from harness.module.execute import Execution, execute
from harness.module.executors import REFERENCE, SECOND_REFERENCES, ModuleExecutor, confirmation_limit
from harness.module.explanations import EXPLANATIONS, Explanation, Versions
from harness.module.isolate.laboratory import Laboratory, Trial, widened
from harness.module.isolate.shrink import SmallestPart
from harness.module.measure import NoisyEnsemble, difference, ratios, smallest_bound
from harness.module.precision import PRODUCTS, ProductFormat, explained_by_format
from harness.module.task import Array
from harness.module.words import DOUBT, FAULT, MILDEST_FIRST, Word

RUNS = 5


@dataclass(frozen=True)
class Confirmation:
    """`word`: of the verdict. `wrong`, `runs`: in fresh processes. `by`: who else computed the reference, or nobody.

    `ratio`, `error`: of the worst run, whose results are `executor_results`; the error is relative to the largest
    element.
    """

    word: Word
    wrong: int
    runs: int
    by: str
    ratio: float
    error: float
    executor_results: tuple[Array, ...]
    note: str = ""


def confirm(laboratory: Laboratory, found: SmallestPart) -> Confirmation:
    """Run the set again in fresh processes, and its f64 version on another executor."""
    trial, program = found.trial, laboratory.program
    part, ensemble = trial.part, trial.ensemble
    text, kinds = program.text(part), [program.types[value] for value in part.outputs]
    fed = [found.known[value] for value in part.inputs]
    worst, shown, runs, wrong, faults = trial.worst[0], trial.execution.calls[0], 0, 0, 0
    for _ in range(RUNS):
        run = execute(
            laboratory.executor,
            text,
            "main",
            fed,
            timeout_s=laboratory.timeout_s,
            most_bytes=laboratory.most_bytes,
        )
        if not run.calls:
            continue
        ratio = max(ratios(run.calls[0], ensemble.reference, ensemble.spreads, kinds))
        runs, wrong, faults = runs + 1, wrong + (ratio >= DOUBT), faults + (ratio >= FAULT)
        if ratio > worst:
            worst, shown = ratio, run.calls[0]
    versions = _versions(laboratory, trial, text, fed)
    doubted, by = _second_opinion(versions)
    if doubted:
        word: Word = "reference in doubt"
    elif wrong < runs:
        word = "race"
    else:
        word = "fault" if runs and faults == runs else "doubt"
    note = ""
    if word in ("fault", "doubt") and not by.startswith("nobody"):
        word, note = _explained(versions, trial, word)
        if word == "fault" and (told := _lower_precision(laboratory, trial, text, fed)):
            word, note = "precision", told
    largest = 0.0
    for result, exact, kind in zip(shown, ensemble.reference, kinds, strict=True):
        scale = smallest_bound(kind, exact).largest * 2.0**24 or 1.0
        largest = max(largest, difference(result, exact).largest / scale)
    return Confirmation(word, wrong, runs, by, worst, largest, tuple(shown), note)


def _versions(laboratory: Laboratory, trial: Trial, text: str, fed: Sequence[Array]) -> Versions:
    """The part at this input. What has run in f64 is kept: a second opinion is asked before any explanation."""
    wide, ran = [widened(array) for array in fed], dict[tuple[str, str], Execution]()

    def in_f64(executor: ModuleExecutor, version: str, timeout_s: float) -> Execution:
        key = executor.name, version
        if key not in ran:
            ran[key] = laboratory.aside(executor, version, wide, timeout_s)
        return ran[key]

    def in_f32(executor: ModuleExecutor, timeout_s: float) -> Execution:
        return laboratory.aside(executor, text, fed, timeout_s)

    kinds = [laboratory.program.types[value] for value in trial.part.outputs]
    return Versions(text, trial.ensemble, kinds, laboratory.timeout_s, in_f64, in_f32)


def _explained(versions: Versions, trial: Trial, word: Word) -> tuple[Word, str]:
    """The word where something else than a fault explains every error, the worst of those, and what does."""
    outputs = enumerate(trial.part.outputs)
    left = {n: trial.ratios[v] for n, v in outputs if v not in trial.tied and trial.ratios[v] >= DOUBT}
    told: list[Explanation] = []
    for explanation in EXPLANATIONS:
        if explanation.is_worth_trying(left.values()):
            explains = explanation.begin(versions)
            found = left.keys() & (explains(trial.execution.calls[0]) if explains is not None else ())
            if found:
                told.append(explanation)
                left = {number: ratio for number, ratio in left.items() if number not in found}
    if left or not told:
        return word, ""
    worst = max(told, key=lambda one: MILDEST_FIRST.index(one.word))
    return worst.word, worst.note


def _lower_precision(laboratory: Laboratory, trial: Trial, text: str, fed: Sequence[Array]) -> str:
    """Which lower precision of products explains the results of a part; empty where none does."""
    ops = [laboratory.program.operations[number].kind for number in trial.part.operations]
    if not any(f"stablehlo.{kind}" in PRODUCTS for kind in ops):
        return ""
    kinds = [laboratory.program.types[value] for value in trial.part.outputs]
    results, exact = trial.execution.calls[0], trial.ensemble.reference

    def members(noisy: str, to: ProductFormat) -> NoisyEnsemble:
        return laboratory.members(noisy, [*fed, *to.arguments()])

    tried = explained_by_format(text, members, results, exact, kinds)
    return next((told for told, numbers in tried if len(numbers) == len(results)), "")


def _second_opinion(versions: Versions) -> tuple[bool, str]:
    """Whether another executor computes another reference, and which one it was that did not."""
    wide, told = Widener().clone(versions.text, "main"), "nobody"
    for executor in SECOND_REFERENCES:
        if executor.compiler == REFERENCE.compiler:
            continue
        run = versions.in_f64(executor, wide, confirmation_limit(executor, versions.timeout_s))
        if run.calls:
            return max(versions.ratios(run.calls[0])) >= DOUBT, f"{executor.name} in f64"
        told = f"nobody ({executor.name} in f64: {run.outcome})"
    return False, told
