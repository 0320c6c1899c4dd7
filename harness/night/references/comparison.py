"""A cell against a reference of the same name: the verdict over the steps that both have, and whether bits differ."""

from dataclasses import dataclass, replace

from harness.night.references.environment import differences
from harness.night.references.reference import Judgement, ReferenceTrace
from harness.trace.format import StepLine, Trace
from harness.trace.manifest import Manifest
from harness.trace.recording import Recording
from harness.verdict.compare import Judging
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.relation import CROSS_TIME


@dataclass(frozen=True)
class Compared:
    """A judged row. `steps`: compared ones. `first_unlike`: the first of them that is not the same bit for bit.

    `key`: of the reference.
    """

    name: str
    key: str
    row: PairRow
    steps: int
    first_unlike: int | None

    @property
    def passed(self) -> bool:
        """True if the cell agrees with its reference within rounding."""
        return self.row.verdict is not None and self.row.verdict.status == "PASS"

    @property
    def judgement(self) -> Judgement:
        """The verdict as a record keeps it."""
        verdict = self.row.verdict
        assert verdict is not None
        return Judgement(
            status=verdict.status,
            gate=verdict.gate,
            sentence=verdict.sentence,
            steps=self.steps,
            bitwise=self.first_unlike is None,
        )


def compare_with(reference: ReferenceTrace, cell: Recording, manifest: Manifest) -> Compared:
    """Judge the steps that both have; the reference is A. The findings of the row tell how many, and of the bits.

    Raises: EnvelopeError when an envelope of the run is damaged.
    """
    old, key = reference.recording, reference.record.environment
    steps = min(old.trace.steps, cell.trace.steps)
    row = judge_recordings(old, cell, Judging(steps=steps), CROSS_TIME)
    unlike = first_unlike_step(old.trace, cell.trace)
    findings = []
    if old.trace.steps != cell.trace.steps:
        both = f"the reference has {old.trace.steps}, the cell {cell.trace.steps}"
        findings.append(f"the first {steps} steps are compared: {both}.")
    findings.append(f"step {unlike} is the first that is not the same bit for bit." if unlike else "bit for bit alike.")
    if unlike and (changed := differences(reference.manifest, manifest)):
        findings.append(f"since the reference: {'; '.join(changed)}.")
    row = replace(row, a=f"reference of {key}", findings=tuple(findings))
    return Compared(cell.name, key, row, steps, unlike)


def first_unlike_step(a: Trace, b: Trace) -> int | None:
    """The first step that both traces have and that differs in anything but its wall time; 0 steps differ in none.

    Of the channels those that a trace keeps are looked at.
    """
    steps = min(a.steps, b.steps)
    unlike = (a.loss[:steps] != b.loss[:steps]) | (a.lr[:steps] != b.lr[:steps]) | (a.epoch[:steps] != b.epoch[:steps])
    found = [int(unlike.argmax()) + 1] if unlike.any() else []
    common = sorted(step for step in a.lines.keys() & b.lines.keys() if step <= steps)
    found += [step for step in common if not _alike(a.lines[step], b.lines[step])][:1]
    return min(found, default=None)


def _alike(a: StepLine, b: StepLine) -> bool:
    """Equality of what both lines have, but for their wall time: a reference may be older than a channel."""
    keys = set(StepLine.__struct_fields__) - {"wall_ms"}
    values = [(getattr(a, key), getattr(b, key)) for key in keys]
    return all(x == y for x, y in values if x is not None and y is not None)
