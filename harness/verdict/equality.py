"""Equality, which mode bitwise asks of every value that both traces have."""

from harness.trace.format import Ints
from harness.verdict.cause import first_cause, listed
from harness.verdict.channels import shared_channels
from harness.verdict.compare import Comparison
from harness.verdict.coverage import STEPS
from harness.verdict.evidence import Answer, failed, inconclusive, passed


def check_equal(comparison: Comparison, steps: Ints) -> Answer:
    """Every loss, norm and projection of these steps, whatever was lost in printing. Shapes: steps (n,), n > 0."""
    a, b = comparison.a.trace, comparison.b.trace
    channels = shared_channels(a, b, [t for t in steps.tolist() if t in a.lines and t in b.lines] or steps[:1].tolist())
    seen = "".join(f"; {what}" for what in channels.missing)
    differs = channels.both & ~(channels.a == channels.b)
    cause = first_cause(channels, differs, {})
    if cause is not None:
        line = f"{cause.place} is not equal; of {int(channels.both.sum())} values {int(differs.sum())} are not"
        return failed(f"{line}{seen}.", cause.place, cause.fault)
    line = f"all {int(channels.both.sum())} values of {len(channels.steps)} steps are equal{seen}"
    if channels.unmatched:
        return inconclusive(f"{line}; only one side has {listed(channels.unmatched)}.")
    return passed(f"{line}.", {STEPS: float(len(steps))})
