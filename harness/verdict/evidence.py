"""The evidence of one gate, and the facts that it judges by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.trace.evaluations import Evaluation
from harness.trace.recording import Recording
from harness.trace.segments import Segments
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
class Answer:
    """The evidence of a gate that does not know its own name."""

    outcome: Outcome
    line: str
    place: str | None = None
    fault: Fault | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)

    def of(self, gate: str) -> Evidence:
        """The answer as that gate's evidence."""
        return Evidence(gate, self.outcome, self.line, self.place, self.fault, self.numbers)


def passed(line: str, numbers: Mapping[str, float] | None = None) -> Answer:
    """The answer that what was looked at is right."""
    return Answer("pass", line, numbers=numbers or {})


def failed(line: str, place: str | None, fault: Fault | None, numbers: Mapping[str, float] | None = None) -> Answer:
    """The answer that it is wrong, at that place."""
    return Answer("fail", line, place, fault, numbers or {})


def inconclusive(line: str, numbers: Mapping[str, float] | None = None) -> Answer:
    """The answer that it cannot be told, and why."""
    return Answer("inconclusive", line, numbers=numbers or {})


def unreached(line: str) -> Answer:
    """The answer that there is nothing for this gate to judge, and why."""
    return Answer("unreached", line)


def note(line: str) -> Answer:
    """An observation that decides nothing."""
    return Answer("note", line)


class NoPart(str):
    """The reason for which f64 tells nothing of a pair that was tried in it: a program that knows no f64."""


@dataclass(frozen=True)
class Stressed:
    """A pair of one step from a stressed start, in both precisions. `in_f64`: or why there is none."""

    in_f32: Comparison
    in_f64: Comparison | NoPart


@dataclass(frozen=True)
class Near:
    """Segments of the leader's run, taken again by itself from states one unit in the last place away."""

    recording: Recording
    segments: Segments


@dataclass(frozen=True)
class Lockstep:
    """A run of side B that was set to the state of side A every few steps: its recording against A's, its segments.

    `near`: what rounding does to the leader in some of them, or why that is not there though it was tried.
    """

    comparison: Comparison
    segments: Segments
    near: Near | str | None = None


@dataclass(frozen=True)
class FromStates:
    """A pair in f64 from states that both were given. `evaluated`: the logits of test images by those states.

    `parts`: the recordings of the steps after them; None where none were taken.
    """

    parts: Comparison | None
    evaluated: Sequence[Evaluation]


@dataclass(frozen=True)
class PairFacts:
    """All that is known of a pair. `in_f64`: the same pair in f64, or why there is none though it was tried.

    `envelope`: of the run that both are of. `false_positive_rate`: the share of clean pairs that may fall out of it.
    `stressed`: the same pair from a stressed start, or why there is none. `lockstep`: the same pair in lockstep.
    `in_wide`: the same pair in wide arithmetic, or why there is none.
    `from_states`: the same pair in f64 from states of the first side.
    """

    comparison: Comparison
    in_f64: Comparison | str | None = None
    envelope: Envelope | None = None
    false_positive_rate: float = DEFAULT_RATE
    stressed: Stressed | str | None = None
    lockstep: Lockstep | str | None = None
    in_wide: Comparison | str | None = None
    from_states: FromStates | str | None = None
