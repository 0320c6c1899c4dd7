"""Before a set of operations is reported: fresh runs of it, and a second opinion on its reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.module.clone import Widener
from harness.module.execute import execute
from harness.module.executors import INTERPRETER, REFERENCE, SECOND_REFERENCES, confirmation_limit
from harness.module.f32_range import Flushed, WithinRange
from harness.module.isolate.laboratory import Laboratory, Trial, widened
from harness.module.isolate.shrink import SmallestPart
from harness.module.measure import difference, ratios, smallest_bound
from harness.module.precision import FORMATS, PRODUCTS, RoundedProducts, explained
from harness.module.task import Array
from harness.module.words import AS_WITHOUT_COMPILER, DOUBT, FAULT, FLUSHED, OUT_OF_RANGE, Word

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
    doubted, by = _second_opinion(laboratory, trial, text, fed)
    if doubted:
        word: Word = "reference in doubt"
    elif wrong < runs:
        word = "race"
    else:
        word = "fault" if runs and faults == runs else "doubt"
    note = ""
    if word in ("fault", "doubt") and not by.startswith("nobody"):
        word, note = _explained(laboratory, trial, text, fed, word)
    largest = 0.0
    for result, exact, kind in zip(shown, ensemble.reference, kinds, strict=True):
        scale = smallest_bound(kind, exact).largest * 2.0**24 or 1.0
        largest = max(largest, difference(result, exact).largest / scale)
    return Confirmation(word, wrong, runs, by, worst, largest, tuple(shown), note)


def _explained(laboratory: Laboratory, trial: Trial, text: str, fed: Sequence[Array], word: Word) -> tuple[Word, str]:
    """The word where something else than a fault explains an error, and what does."""
    kinds = [laboratory.program.types[value] for value in trial.part.outputs]
    exact, spreads, results = trial.ensemble.reference, trial.ensemble.spreads, trial.execution.calls[0]
    wide = [widened(array) for array in fed]
    flushed = laboratory.aside(REFERENCE, Flushed().clone(text, "main"), wide, laboratory.timeout_s)
    if flushed.calls and max(ratios(results, flushed.calls[0], spreads, kinds)) < DOUBT:
        return "rounding", FLUSHED
    ranged = laboratory.aside(REFERENCE, WithinRange().clone(text, "main"), wide, laboratory.timeout_s)
    if ranged.calls and max(ratios(ranged.calls[0], exact, spreads, kinds)) >= DOUBT:
        return "doubt", OUT_OF_RANGE
    plain = laboratory.aside(INTERPRETER, text, fed, confirmation_limit(INTERPRETER, laboratory.timeout_s))
    if plain.calls and all(
        difference(result, reference).within(difference(other, reference), DOUBT)
        for result, other, reference in zip(results, plain.calls[0], exact, strict=True)
    ):
        return "rounding", AS_WITHOUT_COMPILER
    told = _lower_precision(laboratory, trial, text, fed) if word == "fault" else ""
    return ("precision", told) if told else (word, "")


def _lower_precision(laboratory: Laboratory, trial: Trial, text: str, fed: Sequence[Array]) -> str:
    """Which lower precision of products explains the results of a part; empty where none does."""
    ops = [laboratory.program.operations[number].kind for number in trial.part.operations]
    if not any(f"stablehlo.{kind}" in PRODUCTS for kind in ops):
        return ""
    kinds = [laboratory.program.types[value] for value in trial.part.outputs]
    results, exact = trial.execution.calls[0], trial.ensemble.reference
    for to in FORMATS:
        rounded = laboratory.members(RoundedProducts(to).clone(text, "main"), fed)
        if rounded.reference and len(explained(results, exact, rounded, kinds)) == len(results):
            return f"as with operands of products in {to.name}"
    return ""


def _second_opinion(laboratory: Laboratory, trial: Trial, text: str, fed: Sequence[Array]) -> tuple[bool, str]:
    """Whether another executor computes another reference, and which one it was that did not."""
    wide, given = Widener().clone(text, "main"), [widened(array) for array in fed]
    kinds = [laboratory.program.types[value] for value in trial.part.outputs]
    told = "nobody"
    for executor in SECOND_REFERENCES:
        if executor.compiler == REFERENCE.compiler:
            continue
        run = laboratory.aside(executor, wide, given, confirmation_limit(executor, laboratory.timeout_s))
        if run.calls:
            found = ratios(run.calls[0], trial.ensemble.reference, trial.ensemble.spreads, kinds)
            return max(found) >= DOUBT, f"{executor.name} in f64"
        told = f"nobody ({executor.name} in f64: {run.outcome})"
    return False, told
