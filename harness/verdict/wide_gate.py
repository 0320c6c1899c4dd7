"""Wide arithmetic: everything in f64, parameters rounded to f32 after every step, so that right runs are equal.

A word that has tipped is mostly pulled back within some steps. Where more words follow, the runs are of two
trajectories from there on, and nothing more can be asked of them here.
"""

from dataclasses import replace

import numpy as np

from harness.trace.format import Trace
from harness.verdict.cause import listed
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, Fault, NoPart, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.f64_check import SAME
from harness.verdict.likeness import check_evidence, faults
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
    wide = pair.beside.in_wide
    if wide is None:
        return unreached("the pair was not run in wide arithmetic.")
    if isinstance(wide, NoPart):
        return unreached(f"{wide}.")
    if isinstance(wide, str):
        return inconclusive(f"the pair in wide arithmetic is missing: {wide}.")
    if (unlike := check_evidence(wide, "in wide arithmetic")) is not None:
        return unlike
    a, b, numbers = wide.a.trace, wide.b.trace, wide.numbers
    steps = 0 if numbers is None else numbers.unbroken
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


def _numbers(words: WordDifferences, judged: int | None) -> dict[str, float]:
    return {"losses_differ": float(words.losses[:judged].sum()), "tensors_differ": float(words.differ.sum())}


def _judge_losses(words: WordDifferences) -> Answer | None:
    """The losses of equal parameters, up to the first step after which words differ; None where they agree."""
    beyond = ~(words.apart[: words.first] <= SAME)
    if not beyond.any():
        return None
    step = int(np.argmax(beyond)) + 1
    line = f"step {step}: of equal parameters the losses are {words.apart[step - 1]:.1e} apart, {SAME:.0e} allowed"
    return failed(f"in wide arithmetic, {line}.", f"step {step}, loss", "forward", _numbers(words, words.first))


def _judge_words(wide: Comparison, words: WordDifferences) -> Answer:
    steps, first = len(words.losses), words.first
    noise = f"; not judged: {listed(words.noise)}, whose gradients are nothing but rounding" if words.noise else ""
    total = wide.a.trace.header.total_params
    if first is None:
        line = f"all words of {total:,} parameters are equal after each of {steps} steps, {_losses_told(words, steps)}"
        return passed(f"{line}{noise}.", _numbers(words, steps) | {"wide_steps": float(steps)})
    names = words.at(first)
    tipped = tipped_words(wide, names, first)
    others = [name for name in names if name not in tipped]
    observed = is_observed(wide.a.trace, first) and is_observed(wide.b.trace, first)
    if (fault := _fault(wide, words, tipped, others, observed)) is not None:
        return fault
    if not others and sum(tipped.values()) <= total * first / _ROUNDED_PER_TIP:
        judged = _last_tipped(wide, words, first)
        equal = int((~words.differ[:judged].any(axis=1)).sum())
        line = f"words of {total:,} parameters are equal after {equal} of {judged} steps"
        line += (
            f"; after the others a word or two of a tensor have tipped, at first of {listed(list(tipped))} after step "
        )
        line += f"{first}, {_losses_told(words, judged)}"
        if judged < steps:
            line += f"; from step {judged + 1} on this has grown as rounding does, and is not judged"
        return passed(f"{line}{noise}.", _numbers(words, judged) | {"wide_steps": float(judged)})
    line = f"words of {listed(names)} differ after step {first}: more than tip in most networks"
    return note(f"{line}, and no more than the rounding of f64 may explain, so that words tell nothing{noise}.")


def _losses_told(words: WordDifferences, judged: int) -> str:
    told = f"losses at most {np.max(words.apart[:judged]):.1e} apart in f64"
    parted = int(words.losses[:judged].sum())
    return f"{told}, {parted} of them not the same f32" if parted else told


def _last_tipped(wide: Comparison, words: WordDifferences, first: int) -> int:
    """The last step up to which, from the first that differs, only words that have tipped do."""
    for step in range(first, len(words.losses) + 1):
        names = words.at(step)
        if not words.apart[step - 1] <= SAME or len(tipped_words(wide, names, step)) < len(names):
            return step - 1
    return len(words.losses)


def _fault(
    wide: Comparison, words: WordDifferences, tipped: dict[str, int], others: list[str], observed: bool
) -> Answer | None:
    """What the first step after which words differ has done wrong; None where rounding may have done that.

    `others`: tensors of which more words differ than have `tipped`.
    """
    step, numbers = words.first, _numbers(words, words.first)
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
