"""Later steps: past the first ones only what lasts tells a fault from rounding, and right free runs tell how much."""

import math
from collections.abc import Iterator

from harness.verdict.cause import listed
from harness.verdict.channels import LOSS, shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.evidence import Answer, PairFacts, failed, passed, unreached
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.later import BlockRatio, KindApart, LaterBounds, block_ratios, kinds_apart

_WORDS = {
    "grad": "norm of all gradients",
    "update": "norm of all updates",
    "param": "norm of all parameters",
    "grad:": "norms of gradients",
    "update:": "norms of updates",
    "param:": "norms of parameters",
    "stat:": "norms of running statistics",
}


def check_later(pair: PairFacts) -> Answer | None:
    """Losses in blocks, and norms where both sides have them, after the steps that `rounding` judges.

    A longer window takes nothing away: it judges single losses, and no norms.
    """
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    bounds = fitted_bounds()
    first = bounds.steps + 1
    blocks = list(block_ratios(numbers.loss_a, numbers.loss_b, first))
    kinds = list(_norms(comparison, first, numbers.compared))
    if not blocks and not kinds:
        return unreached(f"too few steps after step {first - 1} to tell anything.")
    later = bounds.later
    for block in blocks:
        allowed = _allowed(block, later)
        if not abs(block.log_ratio) <= allowed:
            place = f"steps {block.first} to {block.last}"
            line = f"the losses of {place} differ by a factor of {_factor(block):.2f} in the median"
            return failed(f"{line}, {math.exp(allowed):.2f} allowed.", place, "training")
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
    said = []
    if blocks:
        worst = max(blocks, key=lambda block: abs(block.log_ratio) / _allowed(block, later))
        said.append(
            f"losses differ by a factor of at most {_factor(worst):.2f} in the median of a block "
            f"(steps {worst.first} to {worst.last}), {math.exp(_allowed(worst, later)):.2f} allowed"
        )
    if judged:
        words = listed(list(dict.fromkeys(_WORDS[kind.kind] for kind in judged)), most=len(_WORDS))
        steps = max(kind.steps for kind in judged)
        said.append(f"{words} of {steps} steps are within {later.margin:g} times what right runs reach")
    return passed("; ".join(said) + ".") if said else unreached("no norms that tell anything after the first steps.")


def _allowed(block: BlockRatio, later: LaterBounds) -> float:
    return later.loss_short if block.is_short else later.loss


def _norms(comparison: Comparison, first: int, last: int) -> Iterator[KindApart]:
    traces = comparison.a.trace, comparison.b.trace
    steps = sorted(t for t in traces[0].lines.keys() & traces[1].lines.keys() if first <= t <= last)
    if steps:
        kinds = kinds_apart(shared_channels(*traces, steps))
        yield from (kind for kind in kinds if kind.kind != LOSS and kind.kind in _WORDS)


def _factor(block: BlockRatio) -> float:
    return math.exp(abs(block.log_ratio))
