"""What a search for conventions found, in numbers and in words."""

from dataclasses import dataclass, field, replace

import numpy as np

from harness.explain.readings import Place, order
from harness.explain.switches import DEFAULT, Switches, phrase
from harness.trace.format import Floats

# Nearer by so much, a set is named before a smaller one.
FAR_NEARER = 30.0
FEWEST_STEPS = 3  # an optimizer's state shows first in the third
_WHAT = {"loss": "loss", "grad": "norms of the gradients", "update": "norms of the updates"}


@dataclass(frozen=True)
class Candidate:
    """Phase 2 under one set of switches, beside B. `failed`: the first place where they differ by more than rounding.

    `excess`: how many times more. `deltas`: |loss - B's| of every step that was compared. `replayed`: whether phase 3
    gives B's losses bit for bit, None where it was not asked. `parted`: the step at which B, so near until then, is
    suddenly far away, which rounding does not do; None where it is not.

    Shapes: deltas (steps,). Units: nats.
    """

    switches: Switches
    failed: Place | None
    excess: float
    deltas: Floats = field(repr=False)
    replayed: bool | None = None
    parted: int | None = None

    @property
    def gap(self) -> float:
        """The largest difference of a loss."""
        return float(np.max(self.deltas, initial=0.0))

    @property
    def steps(self) -> int:
        """How many steps were compared."""
        return len(self.deltas)

    @property
    def rank(self) -> tuple[float, float, float]:
        """The better, the smaller: how late it fails, then by how little."""
        step, kind = order(self.failed) if self.failed is not None else (np.inf, 0)
        return -step, -kind, self.excess


@dataclass(frozen=True)
class Found:
    """`closing`: the sets that reproduce B, the one to be named first; none: no known set does.

    `nearest`: the best of all that were tried. `told`: whether any switch alone was seen to make a difference.
    `resolution`: how coarsely B was printed. `last_place`: below which there is no difference. Units: nats, both.
    `flaws`: what else is wrong with B, whatever its conventions, as sentences.
    """

    closing: tuple[Candidate, ...]
    nearest: Candidate
    tried: tuple[Candidate, ...]
    told: bool
    resolution: float
    last_place: float
    flaws: tuple[str, ...] = ()

    def ordered(self) -> "Found":
        """Smaller sets first, but for one that phase 3 confirms or that is nearer by far."""
        ordered: list[Candidate] = []
        for candidate in sorted(self.closing, key=lambda c: (c.replayed is not True, len(c.switches), c.gap)):
            first = not ordered or (not ordered[0].replayed and self._far_nearer(candidate, ordered[0]))
            ordered.insert(0 if first else len(ordered), candidate)
        return replace(self, closing=tuple(ordered))

    def _far_nearer(self, a: Candidate, b: Candidate) -> bool:
        """Whether a is as near as b all along, and in the end by far; what is far away ends earlier."""
        steps = min(a.steps, b.steps)
        worst_a, worst_b = (np.maximum.accumulate(c.deltas[:steps]) for c in (a, b))
        floor = self.resolution + self.last_place
        behind = (worst_a > worst_b) & (worst_a > floor)
        return bool(worst_b[-1] > FAR_NEARER * max(worst_a[-1], floor) and not behind.any())

    @property
    def default(self) -> bool:
        """Whether the default conventions reproduce B."""
        return bool(self.closing) and self.closing[0].switches == DEFAULT

    @property
    def exit_code(self) -> int:
        """0: the default reproduces B; 1: something else does, or nothing; 3: so few steps cannot tell."""
        if not self.default or self.flaws or self.closing[0].parted is not None:
            return 1
        return 0 if self.told and self.closing[0].steps >= FEWEST_STEPS else 3

    def sentence(self) -> str:
        """What was found, for a person."""
        if not self.closing:
            step, kind = self.nearest.failed or (0, "loss")
            return (
                f"none of {len(self.tried)} sets of known conventions reproduces B: the nearest, phase 2 with "
                f"{phrase(self.nearest.switches)}, parts from it in the {_WHAT[kind]} of step {step}."
                + "".join(f" {flaw}" for flaw in self.flaws)
            )
        first, *others = self.closing
        said = f"phase 2 with {phrase(first.switches)} reproduces B {self._how_near(first)}"
        said += ", and phase 3 with them bit for bit." if first.replayed else "."
        if first.parted is not None:
            said += f" At step {first.parted} B is suddenly far from that, which rounding does not do."
        said = " ".join([said, *self.flaws])
        if self.exit_code == 3:
            said += " That is too few to tell it from other conventions."
        if others:
            said += f" What these steps do not tell from it: {'; '.join(self._other(c, first) for c in others)}."
        return said

    def _other(self, candidate: Candidate, first: Candidate) -> str:
        more = candidate.switches - first.switches
        words = f"{phrase(more)} as well" if first.switches and first.switches < candidate.switches else None
        return f"{words or phrase(candidate.switches)} ({_to(candidate.gap)} over {candidate.steps})"

    def _how_near(self, candidate: Candidate) -> str:
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
