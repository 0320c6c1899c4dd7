"""What decides a claim: a figure of one pair, and whether the claim holds by it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.corners.table import most_together
from harness.report.tables import show, show_resolution
from harness.verdict.compare import Comparison, Numbers
from harness.verdict.evidence import Evidence
from harness.verdict.pair import PairRow


@dataclass(frozen=True)
class ClaimFigure:
    """What a pair says about a claim. `holds`: None where it was not measured. `line`: the figure, or why not.

    `size`: by which the figures of several pairs are ranked, the worst last.
    """

    holds: bool | None
    line: str
    size: float = 0.0


Measure = Callable[[PairRow], ClaimFigure]


def not_measured(why: str) -> ClaimFigure:
    """The figure of a pair that says nothing about the claim."""
    return ClaimFigure(None, why)


def apart(steps: Sequence[int], bound: float, *, exclusive: bool = False, at_first: float | None = None) -> Measure:
    """The losses of these steps are no further apart than `bound`; `exclusive`: and not quite as far.

    Losses that are printed to six decimals are whole numbers of 1e-6 apart, or none. `at_first`: the bound of the first
    of the steps, where it has one of its own. Units: nats.
    """

    def measure(row: PairRow) -> ClaimFigure:
        numbers = _numbers(row)
        if isinstance(numbers, ClaimFigure):
            return numbers
        found = [(step, numbers.delta_at(step)) for step in steps]
        if missing := [step for step, delta in found if delta is None]:
            return not_measured(f"step {missing[0]} was not compared")
        bounds = [at_first if at_first is not None and step == steps[0] else bound for step in steps]
        ratios = [float(delta) / limit for (_, delta), limit in zip(found, bounds, strict=True) if delta is not None]
        # Of decimals: the double nearest to a difference of 1e-6 may be a little below it.
        held = [ratio < 0.999 if exclusive else ratio <= 1.0 for ratio in ratios]
        said = " and ".join(f"{show(delta)} at step {step}" for step, delta in found)
        claimed = " and ".join(
            dict.fromkeys(f"{'less than' if exclusive else 'at most'} {limit:.0e}" for limit in bounds)
        )
        return ClaimFigure(all(held), f"apart by {said}{_printed(row)}; claimed: {claimed}", _worst(ratios))

    return measure


def ulps(allowed: Mapping[int, int]) -> Measure:
    """The losses of these steps are no more units in the last place of an f32 apart than that."""

    def measure(row: PairRow) -> ClaimFigure:
        numbers = _numbers(row)
        if isinstance(numbers, ClaimFigure):
            return numbers
        rows = [numbers.row(step) for step in allowed]
        if None in rows:
            return not_measured(f"step {list(allowed)[rows.index(None)]} was not compared")
        assert row.comparison is not None
        units = [_units(numbers, at) for at in rows if at is not None]
        resolution = row.comparison.resolution
        beyond = [
            (step, n)
            for step, at, n in zip(allowed, rows, units, strict=True)
            if at is not None and not _may_be(numbers, at, n, allowed[step], resolution)
        ]
        if beyond:
            step, n = beyond[0]
            return ClaimFigure(False, f"{n:.3g} units in the last place at step {step}; claimed: {allowed[step]}", n)
        if resolution:
            return not_measured(f"a side prints to {show_resolution(_coarsest(row.comparison))} only, which is no f32")
        step, n = max(zip(allowed, units, strict=True), key=lambda one: one[1])
        return ClaimFigure(True, f"{n:.3g} units in the last place at most (step {step})", n)

    return measure


def median(bound: float) -> Measure:
    """Over the whole run the median of the differences is at most `bound`. Units: nats."""

    def measure(row: PairRow) -> ClaimFigure:
        numbers = _numbers(row)
        if isinstance(numbers, ClaimFigure):
            return numbers
        if not numbers.full or numbers.median is None:
            return not_measured(f"{numbers.compared} steps were compared, not the whole run")
        return ClaimFigure(
            numbers.median <= bound, f"{show(numbers.median)}; claimed: at most {bound:.0e}", numbers.median
        )

    return measure


def accuracy(least: float) -> Measure:
    """Both runs, where they are whole, end with that accuracy. Units: a fraction."""

    def measure(row: PairRow) -> ClaimFigure:
        numbers = _numbers(row)
        if isinstance(numbers, ClaimFigure):
            return numbers
        if not numbers.full:
            return not_measured(f"{numbers.compared} steps were compared, not the whole run")
        told = [cell.manifest.test_accuracy for cell in row.cells]
        known = [value for value in told if value is not None]
        if len(known) < len(told):
            return not_measured("a run does not tell its accuracy")
        lowest = min(known)
        return ClaimFigure(lowest >= least, f"{100 * lowest:.2f} %; claimed: at least {100 * least:g} %", -lowest)

    return measure


def same_digest(key: str, what: str, *, across_hosts: bool = False) -> Measure:
    """Both headers have the same digest under a key. `across_hosts`: asked only of runs of two hosts."""

    def measure(row: PairRow) -> ClaimFigure:
        hosts = {cell.host for cell in row.cells}
        if across_hosts and len(hosts) < 2:
            return not_measured("both runs are of one host")
        if row.comparison is None:
            return not_measured(row.note or "it was not compared")
        digests = [getattr(side.trace.header, key) for side in (row.comparison.a, row.comparison.b)]
        if None in digests:
            return not_measured(f"a header does not tell the digest of its {what}")
        a, b = (digest[:12] for digest in digests)
        if digests[0] != digests[1]:
            return ClaimFigure(False, f"{what} {a} and {b}", 1.0)
        return ClaimFigure(True, f"{what} {a} on both sides")

    return measure


def decided_by_gate(
    name: str, told: Callable[[PairRow, Evidence], str] | None = None, *, refuted_by: str | None = None
) -> Measure:
    """A gate of the verdict passes or fails the pair; what it notes only, or did not reach, decides nothing.

    `told`: the figure behind a pass, in place of the gate's whole line. `refuted_by`: another gate, whose failure is
    enough against the claim.
    """

    def measure(row: PairRow) -> ClaimFigure:
        evidence = {} if row.verdict is None else {line.gate: line for line in row.verdict.evidence}
        against = evidence.get(refuted_by or "")
        if against is not None and against.outcome == "fail":
            return ClaimFigure(False, f"{against.line.removesuffix('.')} (gate {refuted_by})", 1.0)
        line = evidence.get(name)
        if line is None:
            return not_measured(row.note or "it was not judged")
        said = line.line.removesuffix(".")
        if line.outcome not in ("pass", "fail"):
            return not_measured(said)
        passed = line.outcome == "pass"
        figure = told(row, line) if told is not None and passed else said
        return ClaimFigure(passed, f"{figure} (gate {name})", float(not passed))

    return measure


def in_both_precisions(_row: PairRow, line: Evidence) -> str:
    """How far the losses are apart in f32 and in f64."""
    found = [line.numbers.get(key) for key in ("delta_f32", "delta_f64")]
    return f"the losses of the first steps are {show(found[0])} apart in f32 and {show(found[1])} in f64"


def free_and_together(row: PairRow, _line: Evidence) -> str:
    """How far the losses are apart at most, in lockstep and free."""
    free = None if row.comparison is None or row.comparison.numbers is None else row.comparison.numbers.max
    return f"the losses are at most {show(most_together(row))} apart in lockstep, and {show(free)} free"


def _numbers(row: PairRow) -> Numbers | ClaimFigure:
    """The numbers of a pair whose sides are sound, or why there are none."""
    if row.comparison is None:
        return not_measured(row.note or "it was not compared")
    if row.comparison.numbers is None:
        keys = ", ".join(one.key for one in row.comparison.identity.differences) or "batches"
        return not_measured(f"the runs are unlike: {keys}")
    return row.comparison.numbers


def _units(numbers: Numbers, at: int) -> float:
    """How many f32 lie between the losses of a row; infinite where one is no number."""
    a, b = float(numbers.loss_a[at]), float(numbers.loss_b[at])
    unit = float(np.spacing(np.float32(max(abs(a), abs(b)))))
    found = abs(a - b) / unit
    return found if found == found else float("inf")


def _may_be(numbers: Numbers, at: int, units: float, allowed: int, resolution: float) -> bool:
    """Whether losses that were printed so coarsely may be no more units apart than that."""
    delta = float(numbers.delta[at])
    if not resolution:
        return units <= allowed
    unit = delta / units if units else 0.0
    return delta <= allowed * unit + resolution


def _printed(row: PairRow) -> str:
    assert row.comparison is not None
    return f", printed to {show_resolution(_coarsest(row.comparison))} nats" if row.comparison.resolution else ""


def _coarsest(comparison: Comparison) -> float:
    return max(comparison.resolution_a or 0.0, comparison.resolution_b or 0.0)


def _worst(ratios: Sequence[float]) -> float:
    return max((ratio if ratio == ratio else float("inf") for ratio in ratios), default=0.0)
