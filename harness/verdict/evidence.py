"""What one gate found, and what it was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.verdict.compare import Comparison
from harness.verdict.envelope.envelope import Envelope
from harness.verdict.envelope.margin import DEFAULT_RATE

Outcome = Literal["pass", "fail", "inconclusive", "unreached", "note"]
# What went wrong. numerics: the mathematics agree, and the rounding does not. training: the runs as wholes.
Fault = Literal["contract", "data", "forward", "backward", "optimizer", "schedule", "numerics", "training"]


@dataclass(frozen=True)
class Evidence:
    """One gate's line. `place`: where it failed (a step, an epoch, a header key). `fault`: what kind of failure it is.

    A "note" decides nothing; "unreached" means that the pair holds nothing for this gate to judge. `numbers`: those of
    the line, for programs.
    """

    gate: str
    outcome: Outcome
    line: str
    place: str | None = None
    fault: Fault | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What is known of a pair. `ladder`: the same pair in f64, or why there is none though it was tried.

    `envelope`: of the run that both are of. `false_positive_rate`: the part of right pairs that may fall out of it.
    """

    comparison: Comparison
    ladder: Comparison | str | None = None
    envelope: Envelope | None = None
    false_positive_rate: float = DEFAULT_RATE
