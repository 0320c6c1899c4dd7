"""The verdict on a comparison: every gate says one line, and the lines together are the verdict."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.verdict.compare import Comparison
from harness.verdict.coverage import Coverage, coverage_line, find_coverage
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.margin import DEFAULT_RATE
from harness.verdict.evidence import ALONE, Beside, Evidence, Fault, PairFacts
from harness.verdict.gates import F64_CHECK, GATES, WINDOW

Status = Literal["PASS", "FAIL", "INCONCLUSIVE"]

EXIT_CODES: dict[Status, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
UNREADABLE = 2
INCONCLUSIVE = 3
_WORST_FIRST = (2, 1, 3, 0)
_IN_ROUNDING = {gate.name for gate in GATES if gate.rounds}


@dataclass(frozen=True)
class Verdict:
    """PASS, FAIL or INCONCLUSIVE. `gate`, `reason` and `place` are those of the first gate that decided.

    `gate` is None for a pass, `place` when there is none to name; `fault` says of which kind a failure is. `coverage`:
    None where no steps were compared.
    """

    status: Status
    gate: str | None
    reason: str
    place: str | None
    evidence: tuple[Evidence, ...] = ()
    fault: Fault | None = None
    coverage: Coverage | None = None

    @property
    def unreached(self) -> tuple[str, ...]:
        """Gates that had nothing to judge."""
        return tuple(line.gate for line in self.evidence if line.outcome == "unreached")

    @property
    def headline(self) -> str:
        """The status; of a pass that does not speak of every step, with those that it speaks of."""
        if self.coverage is None or not self.is_partial:
            return self.status
        return f"{self.status} on {self.coverage.words}"

    @property
    def is_partial(self) -> bool:
        """True of a pass that does not speak of all steps."""
        return self.status == "PASS" and self.coverage is not None and not self.coverage.complete

    @property
    def sentence(self) -> str:
        """The verdict with its reason."""
        gate = f"{self.gate}: " if self.gate else ""
        return f"{self.title}: {gate}{self.reason}"

    @property
    def title(self) -> str:
        """The verdict without its reason: `PASS on 8 of 200 steps`, `FAIL (optimizer)`."""
        return self.headline + (f" ({self.fault})" if self.fault else "")

    @property
    def exit_code(self) -> int:
        """0 agree, 1 disagree, 3 inconclusive."""
        return EXIT_CODES[self.status]


def judge(
    comparison: Comparison,
    beside: Beside = ALONE,
    envelope: Envelope | None = None,
    false_positive_rate: float = DEFAULT_RATE,
) -> Verdict:
    """Run every gate. One that fails makes a FAIL; else one that cannot tell, INCONCLUSIVE; else it is a PASS.

    A pair in f64 is its own pair in f64, and one in wide arithmetic, whose losses and gradients are in f64, is both.
    `envelope`, `false_positive_rate`: see `PairFacts`.
    """
    dtypes = {side.trace.header.dtype for side in (comparison.a, comparison.b)} - {None}
    if beside.in_f64 is None and dtypes in ({"f64"}, {"wide"}):
        beside = replace(beside, in_f64=comparison)
    if beside.in_wide is None and dtypes == {"wide"}:
        beside = replace(beside, in_wide=comparison)
    pair = PairFacts(comparison, beside, envelope, false_positive_rate)
    evidence = tuple(gate.evidence(pair) for gate in GATES)
    coverage = find_coverage(comparison, evidence)
    if (line := coverage_line(coverage, comparison.judging.coverage)) is not None:
        evidence = (*evidence, line)
    return conclude(evidence, coverage)


def conclude(evidence: tuple[Evidence, ...], coverage: Coverage | None) -> Verdict:
    """The verdict of some lines: the first that failed decides, else the first that could not tell."""
    for line in evidence:
        if line.outcome == "fail":
            return Verdict("FAIL", line.gate, line.line, line.place, evidence, _fault(line, evidence), coverage)
    for line in evidence:
        if line.outcome == "inconclusive":
            return Verdict("INCONCLUSIVE", line.gate, line.line, line.place, evidence, coverage=coverage)
    unreached = [line.gate for line in evidence if line.outcome == "unreached"]
    reason = "every gate passed" if not unreached else f"every gate reached passed; not reached: {', '.join(unreached)}"
    return Verdict("PASS", None, reason + ".", None, evidence, coverage=coverage)


def _fault(first: Evidence, evidence: Sequence[Evidence]) -> Fault | None:
    """The kind of failure. f64 tells causes apart that f32 blurs; where it shows none, f32 rounds wrongly.

    Of a failure that f64 was not there to see it says nothing.
    """
    in_f64 = next((line for line in evidence if line.gate == F64_CHECK.name), None)
    if in_f64 is not None and first.gate in _IN_ROUNDING and "delta_f32" in in_f64.numbers:
        if in_f64.outcome == "fail":
            return in_f64.fault
        seen = first.numbers.get("at_step", 0) <= in_f64.numbers["f64_steps"]
        if first.gate != WINDOW.name and seen:
            return "numerics"
    return first.fault


def worst_exit_code(codes: Iterable[int]) -> int:
    """The code that stands for several: unreadable, then disagree, then inconclusive, then agree; 3 for none at all."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), INCONCLUSIVE)
