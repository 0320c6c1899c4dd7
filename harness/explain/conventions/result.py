"""The result of a search for conventions, in numbers and in words."""

from dataclasses import dataclass, field, replace

import numpy as np

from harness.explain.conventions.judge import Figure, Position, TrialJudgement, order
from harness.explain.conventions.switches import DEFAULT, Switches, phrase
from harness.trace.format import Floats

# A set that is nearer by this factor is named before a smaller one.
FAR_NEARER = 30.0
FEWEST_STEPS = 3  # the state of an optimizer first counts in the third
# Relative differences below it are rounding, and none of them is nearer than another.
_ROUNDED = 1e-6
# Rounding alone may make a figure of the right set larger than that of a wrong one by this factor.
_SLACK = 3.0


@dataclass(frozen=True)
class Candidate:
    """Phase 2 under one set of switches, compared with B, the trace.

    `judgement`: how far apart they are in the first steps. `deltas`: |loss - B's| of every step that was compared.
    `replayed`: whether phase 3 gives B's losses bit for bit, None where it did not run. `diverged_at`: the step where
    B, near until then, is suddenly far away, which rounding does not do; None where there is none.

    Shapes: deltas (steps,). Units: nats.
    """

    switches: Switches
    judgement: TrialJudgement
    deltas: Floats = field(repr=False)
    replayed: bool | None = None
    diverged_at: int | None = None

    @property
    def failed_at(self) -> Position | None:
        """The first position where they differ by more than rounding; None when they do not."""
        return self.judgement.failed_at

    @property
    def gap(self) -> float:
        """The largest difference of a loss. Units: nats."""
        return float(np.max(self.deltas, initial=0.0))

    @property
    def steps(self) -> int:
        """The number of steps that were compared."""
        return len(self.deltas)

    @property
    def rank(self) -> tuple[float, float, float]:
        """A sort key, the best first: those that fail late, then those that fail by little."""
        step, kind = order(self.failed_at) if self.failed_at is not None else (np.inf, 0)
        return -step, -kind, self.judgement.excess

    def same_as(self, other: "Candidate") -> bool:
        """True when it computed what the other did, bit for bit: its own switches did nothing in these steps."""
        mine, theirs = ([f.relative for f in c.judgement.figures] for c in (self, other))
        return np.array_equal(mine, theirs) and np.array_equal(self.deltas, other.deltas)

    def far_nearer(self, other: "Candidate") -> bool:
        """True when some figure of it is nearer to B by far than the other's, and none is further away."""
        figures = [
            (max(mine.relative, _ROUNDED), theirs)
            for mine in self.judgement.figures
            if (theirs := other.judgement.relative(mine.key)) is not None
        ]
        nearer = any(theirs > FAR_NEARER * mine for mine, theirs in figures)
        return nearer and all(mine <= _SLACK * max(theirs, _ROUNDED) for mine, theirs in figures)


@dataclass(frozen=True)
class SearchResult:
    """`matching`: the sets that reproduce B, the one to be named first; empty: no known set does.

    `nearest`: the best of all that were tried. `any_switch_matters`: whether any single switch made a difference.
    `resolution`: of the printed losses of B. `last_place`: differences below it are none. Units: nats, both.
    `flaws`: errors of B that no convention explains, as sentences.
    """

    matching: tuple[Candidate, ...]
    nearest: Candidate
    tried: tuple[Candidate, ...]
    any_switch_matters: bool
    resolution: float
    last_place: float
    flaws: tuple[str, ...] = ()

    def ordered(self) -> "SearchResult":
        """The default first, then smaller sets, but for one that phase 3 confirms or that is nearer by far."""
        ordered: list[Candidate] = []
        for candidate in sorted(self.matching, key=lambda c: (c.replayed is not True, len(c.switches), c.gap)):
            # What only rounds names nothing, however near it comes.
            telling = not any(switch.rounds for switch in candidate.switches)
            nearer = bool(ordered) and telling and self._far_nearer(candidate, ordered[0])
            first = not ordered or (not ordered[0].replayed and nearer)
            ordered.insert(0 if first else len(ordered), candidate)
        ordered.sort(key=lambda c: c.switches != DEFAULT)
        return replace(self, matching=tuple(ordered))

    def _far_nearer(self, a: Candidate, b: Candidate) -> bool:
        """True when a is at least as near as b at every step that both have, and far nearer at the last of them."""
        steps = min(a.steps, b.steps)
        worst_a, worst_b = (np.maximum.accumulate(c.deltas[:steps]) for c in (a, b))
        floor = self.resolution + self.last_place
        behind = (worst_a > worst_b) & (worst_a > floor)
        return bool(worst_b[-1] > FAR_NEARER * max(worst_a[-1], floor) and not behind.any())

    @property
    def default(self) -> bool:
        """True when the default conventions reproduce B."""
        return bool(self.matching) and self.matching[0].switches == DEFAULT

    @property
    def exit_code(self) -> int:
        """0: the default reproduces B; 1: another set does, or none; 3: too few steps to tell."""
        if not self.default or self.flaws or self.matching[0].diverged_at is not None:
            return 1
        return 0 if self.any_switch_matters and self.matching[0].steps >= FEWEST_STEPS else 3

    def sentence(self) -> str:
        """The result in words."""
        if not self.matching:
            worst = self.nearest.judgement.told
            assert worst is not None, "what does not match differs somewhere"
            return " ".join(
                [
                    f"none of {len(self.tried)} sets of known conventions reproduces B: the nearest, phase 2 with "
                    f"{phrase(self.nearest.switches)}, differs from it first in {worst.place}, by "
                    f"{worst.relative:.1e}, {worst.allowed:.1e} allowed.",
                    *self.flaws,
                ]
            )
        first, *others = self.matching
        sentence = f"phase 2 with {phrase(first.switches)} reproduces B {self._precision(first)}"
        sentence += ", and phase 3 with them bit for bit." if first.replayed else "."
        if first.switches:
            sentence += self._closed_gap(first)
        if first.diverged_at is not None:
            sentence += f" At step {first.diverged_at} B diverges from it suddenly, which rounding does not do."
        sentence = " ".join([sentence, *self.flaws])
        if self.exit_code == 3:
            sentence += " That is too few steps to distinguish it from other conventions."
        if others:
            sentence += f" These steps do not distinguish it from: {'; '.join(self._other(c, first) for c in others)}."
        return sentence

    def gap_closed_by(self, candidate: Candidate) -> tuple[Figure, float] | None:
        """The figure by which the default conventions fail, and what it is under a set; None where they do not fail."""
        before = next((c.judgement.told for c in self.tried if c.switches == DEFAULT), None)
        after = candidate.judgement.relative(before.key) if before is not None else None
        return (before, after) if before is not None and after is not None else None

    def _closed_gap(self, candidate: Candidate) -> str:
        closed = self.gap_closed_by(candidate)
        if closed is None:
            return ""
        before, after = closed
        return (
            f" It closes a gap at {before.place}: {before.relative:.1e} from B under the default conventions, "
            f"{after:.1e} now, {before.allowed:.1e} allowed."
        )

    def _other(self, candidate: Candidate, first: Candidate) -> str:
        more = candidate.switches - first.switches
        words = f"{phrase(more)} as well" if first.switches and first.switches < candidate.switches else None
        return f"{words or phrase(candidate.switches)} ({_to(candidate.gap)} over {candidate.steps})"

    def _precision(self, candidate: Candidate) -> str:
        whole = f"{_to(candidate.gap)} over {candidate.steps} step{'s' if candidate.steps != 1 else ''}"
        coarse = candidate.deltas > self.resolution + self.last_place
        precise = int(np.argmax(np.append(coarse, True)))
        if not self.resolution or not precise:
            return whole
        printed = f"to its print resolution, {self.resolution:.0e}, over"
        if precise == candidate.steps:
            return f"{printed} {precise} steps"
        return f"{printed} the first {precise} steps and {whole}"


def _to(gap: float) -> str:
    return f"to {gap:.1e}" if gap else "bit for bit"
