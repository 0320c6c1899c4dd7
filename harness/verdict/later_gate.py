"""Later steps: past the first ones only what lasts tells a fault from rounding, and right free runs tell how much."""

import math
from collections.abc import Iterator, Sequence

from harness.verdict.cause import listed
from harness.verdict.channels import LOSS, shared_channels
from harness.verdict.compare import Comparison, Numbers
from harness.verdict.evidence import Answer, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.lockstep_gate import check_lockstep
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.drift import Drift, drifts, single_drifts
from harness.verdict.rounding.later import KindApart, LaterBounds, kinds_apart

_WORDS = {
    "grad": "norm of all gradients",
    "update": "norm of all updates",
    "param": "norm of all parameters",
    "grad:": "norms of gradients",
    "update:": "norms of updates",
    "param:": "norms of parameters",
    "stat:": "norms of running statistics",
}

_LARGEST = 700.0  # whose exponential is a double


def check_later(pair: PairFacts) -> Answer | None:
    """Losses, and norms where both sides have them, after the steps that `rounding` judges.

    A longer window takes nothing away: it judges single losses, and no norms.
    """
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    bounds = fitted_bounds()
    first, later = bounds.steps + 1, bounds.later
    found = list(_drifts(comparison, numbers, first))
    if not found:
        return unreached(f"no step after step {first - 1}.")
    kinds = list(_norms(comparison, numbers.steps[numbers.steps >= first].tolist()))
    allowed = {one: later.allowed(one) for one in found}
    gross = [one for one in found if not one.value <= later.margin * allowed[one]]
    if gross:
        one = min(gross, key=lambda one: (one.first, one.last))
        return failed(f"{_described(one, later)}: no rounding does that.", _place(one), "training")
    judged = []
    for kind in kinds:
        for relative, bound, where in (
            (kind.any_step, later.any_step.get(kind.kind), f"at step {kind.at}"),
            (kind.half, later.half.get(kind.kind), f"in half of {kind.steps} steps after step {first - 1}"),
        ):
            if bound is None or (math.isnan(relative) and where.startswith("in half")):
                continue  # right runs come as far apart as anything can, or there are too few steps
            judged.append(kind)
            if not relative <= bound:
                what = f"{_WORDS[kind.kind]}: {relative:.1e} apart {where}, {bound:.1e} allowed."
                return failed(what, f"step {kind.at}", "training")
    beyond = [one for one in found if one.value > allowed[one]]
    worst = max(beyond or found, key=lambda one: one.value / allowed[one])
    if beyond and check_lockstep(pair).outcome != "pass":
        least = min(beyond, key=lambda one: (one.first, one.last))
        return inconclusive(f"{_described(least, later)}: right runs have not been seen to come apart like that.")
    said = [_described(worst, later)]
    if numbers.unbroken < numbers.compared:
        alone = int((numbers.steps >= first).sum())
        said.append(f"{alone} steps are judged one by one, since steps are missing")
    if judged:
        words = listed(list(dict.fromkeys(_WORDS[kind.kind] for kind in judged)), most=len(_WORDS))
        steps = max(kind.steps for kind in judged)
        said.append(f"{words} of {steps} steps are within {later.margin:g} times what right runs reach")
    return passed("; ".join(said) + ".")


def _drifts(comparison: Comparison, numbers: Numbers, first: int) -> Iterator[Drift]:
    """The figures of the steps from `first` on; where steps are missing, those of single steps only."""
    if numbers.unbroken == numbers.compared:
        return drifts(numbers.loss_a, numbers.loss_b, first, comparison.resolution)
    there = numbers.steps >= first
    sides = numbers.loss_a[there], numbers.loss_b[there]
    return single_drifts(*sides, numbers.steps[there], comparison.resolution)


def _described(one: Drift, later: LaterBounds) -> str:
    allowed, place = later.allowed(one), _place(one)
    match one.kind:
        case "jump":
            what = f"at {place} the losses are {_times(one.value)} times as far apart as at any before"
        case "spike":
            what = f"at {place} one loss is {_times(one.value)} times beyond all of the other side around it"
        case "correlation":
            z, least = (math.tanh(math.exp(-value)) for value in (one.value, allowed))
            return f"in {place} the losses correlate by {z:.2f}, at least {least:.2f} asked"
        case _:
            median = "" if one.first == one.last else " in the median"
            return f"the losses of {place} differ by a factor of {_times(one.value)}{median}, {_times(allowed)} allowed"
    return f"{what}, {_times(allowed)} allowed"


def _times(logarithm: float) -> str:
    """The number behind a logarithm, which may be beyond the range of a double."""
    if logarithm > _LARGEST:
        return f"1e{logarithm / math.log(10):.0f}"
    return f"{math.exp(logarithm):.3g}"


def _place(one: Drift) -> str:
    return f"step {one.first}" if one.first == one.last else f"steps {one.first} to {one.last}"


def _norms(comparison: Comparison, compared: Sequence[int]) -> Iterator[KindApart]:
    traces = comparison.a.trace, comparison.b.trace
    steps = [step for step in compared if step in traces[0].lines and step in traces[1].lines]
    if steps:
        kinds = kinds_apart(shared_channels(*traces, steps))
        yield from (kind for kind in kinds if kind.kind != LOSS and kind.kind in _WORDS)
