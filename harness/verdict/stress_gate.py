"""The stressed start: a step from parameters with which a formula that is right for small numbers only goes wrong.

Exponentials of values above 88 overflow in f32 unless the largest is taken off before; a variance as the difference of
two large numbers has no digits left. At drawn parameters neither shows, and after a thousand steps it may.
"""

from harness.verdict.channels import GRAD, GRAD_PROJECTION, LOSS
from harness.verdict.compare import Comparison
from harness.verdict.evidence import Answer, Beside, NoPart, PairFacts, failed, inconclusive, passed, unreached
from harness.verdict.f64_check import check_f64
from harness.verdict.likeness import check_evidence, faults
from harness.verdict.rounding.against_f64 import JUDGED_STEPS, SideRuns, furthest
from harness.verdict.rounding.bounds import fitted_bounds

# No updates: gradients may be next to nothing there, which Adam divides by their own size.
_KINDS = (LOSS, GRAD, GRAD_PROJECTION)
_PLACE = "step 1 from a stressed start"


def check_stress(pair: PairFacts) -> Answer:
    """From a stressed start a side must be finite where the other is, and equal it in f64.

    It may not be further from f64 than the other from there and from the drawn start alike.
    """
    stressed = pair.beside.stressed
    if stressed is None:
        return unreached("the pair was not run from a stressed start.")
    if isinstance(stressed, str):
        return inconclusive(f"the pair from a stressed start is missing: {stressed}.")
    pairs = {"f32": stressed.in_f32} | ({} if isinstance(stressed.in_f64, NoPart) else {"f64": stressed.in_f64})
    for dtype, comparison in pairs.items():
        if (unlike := _unlike(comparison, dtype)) is not None:
            return unlike
    overflown = {dtype: _overflown(comparison) for dtype, comparison in pairs.items()}
    for dtype, sides in overflown.items():
        if len(sides) == 1:
            return failed(_parted(pairs[dtype], dtype, sides[0]), _PLACE, "numerics")
    if overflown.get("f64"):
        return unreached("from a stressed start both sides are beyond all numbers, in f64 as well.")
    if overflown["f32"]:
        return unreached("from a stressed start both sides are beyond all numbers in f32.")
    if isinstance(stressed.in_f64, NoPart):
        return passed(f"from a stressed start both sides are finite in f32; {stressed.in_f64}.")
    in_f64 = check_f64(PairFacts(stressed.in_f32, Beside(in_f64=stressed.in_f64)), _KINDS)
    if in_f64.outcome != "pass":
        return Answer(in_f64.outcome, f"from a stressed start: {in_f64.line}", in_f64.place, in_f64.fault)
    return _judge_distances(pair, stressed.in_f32, stressed.in_f64)


def _unlike(comparison: Comparison, dtype: str) -> Answer | None:
    """What is the matter with a pair from a stressed start, so that nothing of it can be judged."""
    problems = faults("A", comparison.a) + faults("B", comparison.b)
    if problems:
        return inconclusive(f"the pair from a stressed start in {dtype}: {'; '.join(problems)}.")
    if (unlike := check_evidence(comparison, f"from a stressed start in {dtype}")) is not None:
        return unlike
    if comparison.numbers is None or comparison.numbers.compared == 0:
        return inconclusive(f"the pair from a stressed start in {dtype}: no step.")
    return None


def _judge_distances(pair: PairFacts, in_f32: Comparison, in_f64: Comparison) -> Answer:
    """A side may not be further from f64 than the other at every step from the drawn start, and from this one."""
    same = f"from a stressed start the losses are {_losses_apart(in_f32)} apart in f32, and equal in f64"
    if not isinstance(pair.beside.in_f64, Comparison):
        return passed(f"{same}.")
    bounds = fitted_bounds().against_f64
    drawn, wide = pair.comparison, pair.beside.in_f64
    a = SideRuns((drawn.a.trace, wide.a.trace), (in_f32.a.trace, in_f64.a.trace))
    b = SideRuns((drawn.b.trace, wide.b.trace), (in_f32.b.trace, in_f64.b.trace))
    found = furthest(a, b, bounds.finest)
    if found is None:
        return passed(f"{same}.")
    if found.ratio > bounds.further:
        line = (
            f"the gradient of {found.tensor} in {found.side} is {found.distance:.1e} or more from f64 at each of steps "
            f"1 to {JUDGED_STEPS} and from a stressed start, {found.ratio:.3g} times as far as in the other; "
            f"{bounds.further:.3g} times is allowed."
        )
        return failed(line, f"step 1, gradient of {found.tensor}", "numerics", {"at_step": 1})
    return passed(
        f"{same}; no side is further from f64 from either start, {found.ratio:.2g} of {bounds.further:.3g} times."
    )


def _losses_apart(comparison: Comparison) -> str:
    return f"{abs(comparison.a.trace.loss[0] - comparison.b.trace.loss[0]):.1e}"


def _overflown(comparison: Comparison) -> list[str]:
    """The sides with a value that is no finite number."""
    numbers = comparison.numbers
    assert numbers is not None
    at = {"A": numbers.nonfinite_a, "B": numbers.nonfinite_b}
    return [side for side, step in at.items() if step is not None]


def _parted(comparison: Comparison, dtype: str, side: str) -> str:
    losses = f"losses {comparison.a.trace.loss[0]:.6g} of A and {comparison.b.trace.loss[0]:.6g} of B"
    return f"from a stressed start {side} leaves the numbers in {dtype}, and the other side does not: {losses}."
