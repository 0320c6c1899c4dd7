"""Wide arithmetic: everything in f64, parameters rounded to f32 after every step, so that right runs are equal.

From a word that has tipped on the runs are of two trajectories, and nothing more can be asked of them here.
"""

from dataclasses import replace

import numpy as np

from harness.trace.format import Trace
from harness.verdict.cause import listed
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, Fault, NoPart, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.f64_check import SAME
from harness.verdict.likeness import check_contract, check_data, faults
from harness.verdict.words import (
    WordDifferences,
    cause_of,
    is_observed,
    measure_words,
    same_rate,
    share_apart,
    share_by_rounding,
    tipped_words,
)

# At most one word in so many tips, unless a network amplifies the rounding of f64. Of 3.8e9 words of the MLP none does.
_ROUNDED_PER_TIP = 10_000_000
_BY_ROUNDING = 1000.0  # how many times as many words may differ as the rounding of a step explains on average


def check_wide(pair: PairFacts) -> Answer:
    """Every loss, as f32, and every word of every parameter is equal, but for a last digit that has tipped."""
    wide = pair.in_wide
    if wide is None:
        return unreached("the pair was not run in wide arithmetic.")
    if isinstance(wide, NoPart):
        return unreached(f"{wide}.")
    if isinstance(wide, str):
        return inconclusive(f"the pair in wide arithmetic is missing: {wide}.")
    facts = PairFacts(wide)
    for found in (check_contract(facts), check_data(facts)):
        if found.outcome == "fail":
            return failed(f"in wide arithmetic, {found.line}", found.place, found.fault)
    a, b, numbers = wide.a.trace, wide.b.trace, wide.numbers
    steps = 0 if numbers is None else numbers.compared
    problems = faults("A", wide.a) + faults("B", wide.b) + _without_words(a, b, steps)
    if problems or steps == 0:
        return inconclusive(f"the pair in wide arithmetic: {'; '.join(problems) or 'no step to compare'}.")
    words = measure_words(wide, steps)
    answer = _judge_losses(words) or _judge_words(wide, words)
    if answer.outcome == "pass" and wide is pair.comparison:
        # Of a pair in f32 its wide runs tell the mathematics, and not how the steps of that pair round.
        return replace(answer, numbers={**answer.numbers, STEPS: answer.numbers["wide_steps"]})
    return answer


def _without_words(a: Trace, b: Trace, steps: int) -> list[str]:
    for name, side in (("A", a), ("B", b)):
        if (step := next((t for t in range(1, steps + 1) if not side.words.get(t)), None)) is not None:
            return [f"{name} has no digests of words at step {step}"]
    if len({frozenset(side.words[t]) for side in (a, b) for t in range(1, steps + 1)}) > 1:
        return ["the digests of words are not of the same parameters at every step and on both sides"]
    return []


def _numbers(words: WordDifferences) -> dict[str, float]:
    judged = len(words.losses) if words.first is None else words.first
    return {"losses_differ": float(words.losses[:judged].sum()), "tensors_differ": float(words.differ.sum())}


def _judge_losses(words: WordDifferences) -> Answer | None:
    """The losses of equal parameters, up to the first step after which words differ; None where they agree."""
    beyond = ~(words.apart[: words.first] <= SAME)
    if not beyond.any():
        return None
    step = int(np.argmax(beyond)) + 1
    line = f"step {step}: of equal parameters the losses are {words.apart[step - 1]:.1e} apart, {SAME:.0e} allowed"
    return failed(f"in wide arithmetic, {line}.", f"step {step}, loss", "forward", _numbers(words))


def _judge_words(wide: Comparison, words: WordDifferences) -> Answer:
    steps, first, numbers = len(words.losses), words.first, _numbers(words)
    told = f"losses at most {np.max(words.apart[:first]):.1e} apart in f64"
    if numbers["losses_differ"]:
        told += f", {numbers['losses_differ']:.0f} of them not the same f32"
    noise = f"; not judged: {listed(words.noise)}, whose gradients are nothing but rounding" if words.noise else ""
    total = wide.a.trace.header.total_params
    if first is None:
        line = f"all words of {total:,} parameters are equal after each of {steps} steps, {told}{noise}."
        return passed(line, numbers | {"wide_steps": float(steps)})
    names = words.at(first)
    tipped = tipped_words(wide, names, first)
    others = [name for name in names if name not in tipped]
    observed = is_observed(wide.a.trace, first) and is_observed(wide.b.trace, first)
    if (fault := _fault(wide, words, tipped, others, observed)) is not None:
        return fault
    count = sum(tipped.values())
    if not others and count <= total * first / _ROUNDED_PER_TIP:
        later = f"words are equal after {words.equal_after(first)} of {steps - first} later steps"
        which = (
            f"{count} word{'s' if count > 1 else ''} of {total:,} tipped after step {first} ({listed(list(tipped))})"
        )
        line = f"words are equal until {which}, {told}; from there on rounding grows, and {later}{noise}."
        return passed(line, numbers | {"wide_steps": float(first)})
    line = f"words of {listed(names)} differ after step {first}: more than tip in most networks"
    return note(f"{line}, and no more than the rounding of f64 may explain, so that words tell nothing{noise}.")


def _fault(
    wide: Comparison, words: WordDifferences, tipped: dict[str, int], others: list[str], observed: bool
) -> Answer | None:
    """What the first step after which words differ has done wrong; None where rounding may have done that.

    `others`: tensors of which more words differ than have `tipped`.
    """
    step, numbers = words.first, _numbers(words)
    assert step is not None
    if observed:
        if (cause := cause_of(wide, words, step, tipped)) is not None:
            line = f"words differ after step {step}, and {cause.place} by {cause.relative:.1e}, {SAME:.0e} allowed"
            return failed(f"in wide arithmetic, {line}.", cause.place, cause.fault, numbers)
        a, b = wide.a.trace.lines[step], wide.b.trace.lines[step]
        shares = {name: (share_apart(a, b, name), share_by_rounding(a, b, name)) for name in others}
        others = [name for name, (share, explained) in shares.items() if not share <= _BY_ROUNDING * explained]
    if not others:
        return None
    line = f"words of {listed(others)} differ after step {step}"
    if observed:
        share, explained = shares[others[0]]
        line += f", about {share:.1g} of them in {others[0]}; the rounding of f64 explains {explained:.1g}"
    else:
        line += " by more than last digits that tip"
    of_update: Fault = "optimizer" if observed else "training"
    fault = of_update if same_rate(wide, step) else "schedule"
    return failed(f"in wide arithmetic, {line}.", f"step {step}, words of {others[0]}", fault, numbers)
