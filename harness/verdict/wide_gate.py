"""Wide arithmetic: everything in f64, parameters rounded to f32 after every step, so that right runs are equal.

Two programs that differ by the rounding of f64 round to the same f32, unless a value is in the middle between two: then
its last digit *tips*. From there on the runs are of two trajectories, and nothing more can be asked of them here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.trace.format import Trace
from harness.trace.words import words_apart
from harness.verdict.cause import Cause, first_cause, listed
from harness.verdict.channels import GRAD, GRAD_PROJECTION, UPDATE, shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, NoPart, PairFacts, failed, inconclusive, note, passed, unreached
from harness.verdict.f64_check import SAME, noise_in
from harness.verdict.likeness import check_contract, check_data, faults

# At most one word in so many tips, unless a network amplifies the rounding of f64. Of 3.8e9 words of the MLP none does.
_ROUNDED_PER_TIP = 10_000_000
_CHANNELS = (GRAD, GRAD_PROJECTION, UPDATE)


def check_wide(pair: PairFacts) -> Answer:
    """Every loss, as f32, and every word of every parameter is equal, but for a last digit that has tipped."""
    wide = pair.in_wide
    if wide is None:
        return unreached("the pair was not run in wide arithmetic.")
    if isinstance(wide, NoPart):
        return unreached(f"{wide}.")
    if isinstance(wide, str):
        return inconclusive(f"the pair in wide arithmetic is missing: {wide}.")
    facts = PairFacts(wide, in_f64=wide)
    for found in (check_contract(facts), check_data(facts)):
        if found.outcome == "fail":
            return failed(f"in wide arithmetic, {found.line}", found.place, found.fault)
    a, b, numbers = wide.a.trace, wide.b.trace, wide.numbers
    steps = 0 if numbers is None else numbers.compared
    problems = faults("A", wide.a) + faults("B", wide.b) + _without_words(a, b, steps)
    if problems or steps == 0:
        return inconclusive(f"the pair in wide arithmetic: {'; '.join(problems) or 'no step to compare'}.")
    return _judge(wide, _measure(wide, steps))


@dataclass(frozen=True)
class _Words:
    """What differs. `tensors`: those that are judged; `noise`: those whose gradient is nothing but rounding.

    `differ`: the words of a tensor after a step. `losses`: the losses of a step as f32; `apart`: relatively.

    Shapes: differ (steps, tensors); losses, apart (steps,).
    """

    tensors: tuple[str, ...]
    noise: tuple[str, ...]
    differ: npt.NDArray[np.bool_]
    losses: npt.NDArray[np.bool_]
    apart: npt.NDArray[np.float64]

    @property
    def first(self) -> int | None:
        """The first step after which a word differs."""
        return int(np.argmax(self.differ.any(axis=1))) + 1 if self.differ.any() else None


def _without_words(a: Trace, b: Trace, steps: int) -> list[str]:
    for name, side in (("A", a), ("B", b)):
        if (step := next((t for t in range(1, steps + 1) if not side.words.get(t)), None)) is not None:
            return [f"{name} has no digests of words at step {step}"]
    if (step := next((t for t in range(1, steps + 1) if a.words[t].keys() != b.words[t].keys()), None)) is not None:
        return [f"the digests of words of step {step} are not of the same parameters"]
    return []


def _measure(wide: Comparison, steps: int) -> _Words:
    a, b = wide.a.trace, wide.b.trace
    noise = noise_in(wide, sorted(t for t in a.lines.keys() & b.lines.keys() if t <= steps))
    tensors = tuple(name for name in a.words[1] if name not in noise)
    differ = [[a.words[t].get(name) != b.words[t].get(name) for name in tensors] for t in range(1, steps + 1)]
    left, right = a.loss[:steps], b.loss[:steps]
    with np.errstate(all="ignore"):
        apart = np.abs(left - right) / np.maximum(np.abs(left), np.abs(right))
        losses = left.astype(np.float32) != right.astype(np.float32)
    apart[left == right] = 0.0
    return _Words(tensors, tuple(sorted(noise)), np.array(differ, bool).reshape(steps, -1), losses, apart)


def _judge(wide: Comparison, words: _Words) -> Answer:
    steps, first = len(words.losses), words.first
    judged = steps if first is None else first
    largest = float(np.max(words.apart[:judged]))
    numbers = {"losses_differ": float(words.losses[:judged].sum()), "tensors_differ": float(words.differ.sum())}
    if not largest <= SAME:
        step = int(np.argmax(~(words.apart[:judged] <= SAME))) + 1
        line = f"step {step}: of equal parameters the losses are {words.apart[step - 1]:.1e} apart, {SAME:.0e} allowed"
        return failed(f"in wide arithmetic, {line}.", f"step {step}, loss", "forward", numbers)
    told = f"losses at most {largest:.1e} apart in f64"
    if words.losses[:judged].any():
        told += f", {int(words.losses[:judged].sum())} of them not the same f32"
    left_out = f"; not judged: {listed(words.noise)}, whose gradients are nothing but rounding" if words.noise else ""
    total = f"{wide.a.trace.header.total_params:,} parameters"
    if first is None:
        line = f"all words of {total} are equal after each of {steps} steps, {told}{left_out}."
        return passed(line, numbers | {STEPS: float(steps)})
    tipped = _tipped(wide, words, first)
    count = sum(tipped.values())
    others = [name for name in _differing(words, first) if name not in tipped]
    later = f"words are equal after {int((~words.differ[first:].any(axis=1)).sum())} of {steps - first} later steps"
    may_tip = wide.a.trace.header.total_params * first / _ROUNDED_PER_TIP
    if not others and count <= may_tip:
        which = f"{count} word{'s' if count > 1 else ''} of {total} tipped after step {first} ({listed(list(tipped))})"
        line = f"words are equal until {which}, {told}; from there on rounding grows, and {later}{left_out}."
        return passed(line, numbers | {STEPS: float(first)})
    differs = f"words of {listed(others or list(tipped))} differ after step {first}"
    if others and (cause := _cause(wide, words, first, tipped)) is not None:
        line = f"{differs}, and {cause.place} by {cause.relative:.1e}, {SAME:.0e} allowed"
        return failed(f"in wide arithmetic, {line}.", cause.place, cause.fault, numbers)
    if not others or first in wide.a.trace.lines.keys() & wide.b.trace.lines.keys():
        line = f"{differs}, more than tip in most networks, and gradients and updates agree to {SAME:.0e}"
        return note(f"{line}: rounding of f64 grows here, and words tell nothing{left_out}.")
    rates = wide.a.trace.lr[first - 1] == wide.b.trace.lr[first - 1]
    line = f"{differs} by more than last digits that tip, {told}; {later}"
    place = f"step {first}, words of {others[0]}"
    return failed(f"in wide arithmetic, {line}.", place, "training" if rates else "schedule", numbers)


def _differing(words: _Words, step: int) -> list[str]:
    return [name for name, differs in zip(words.tensors, words.differ[step - 1].tolist(), strict=True) if differs]


def _tipped(wide: Comparison, words: _Words, step: int) -> dict[str, int]:
    """The tensors of which a word or two differ by their last digit, and how many."""
    a, b = wide.a.trace, wide.b.trace
    counts = {
        name: words_apart(name, a.words[step][name], b.words[step][name], a.header.total_params)
        for name in _differing(words, step)
    }
    return {name: count for name, count in counts.items() if count is not None}


def _cause(wide: Comparison, words: _Words, step: int, tipped: Mapping[str, int]) -> Cause | None:
    """The first gradient or update of the step that differs; None where none does, or none was observed."""
    a, b = wide.a.trace, wide.b.trace
    channels = shared_channels(a, b, [step])
    channels = replace(channels, scale=np.maximum(channels.scale, channels.rms)).of(*_CHANNELS)
    left_out = {*(f"{UPDATE}{name}" for name in tipped), *(kind + name for kind in _CHANNELS for name in words.noise)}
    beyond = ~(channels.relative <= SAME) & np.array([name not in left_out for name in channels.names], bool)
    return first_cause(channels, beyond, {step: bool(a.lr[step - 1] == b.lr[step - 1])})
