"""The members of an ensemble, for so many training steps in all."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import EnvelopeError

Program = Literal["plain", "noisy", "reversed", "raised", "lowered"]

BUDGET = 400
STEPS = 8
_FEWEST_STEPS = 3  # an optimizer's state shows first in the third
PERTURBED, NOISY, REVERSED = 30, 4, 2
SCALARS: tuple[Program, ...] = ("raised", "lowered")
_SHORT = PERTURBED + NOISY + REVERSED + len(SCALARS)
# Much larger than rounding, so that what differs has flipped in each of them and grows as it will.
FAR_ULPS = (2**6, 2**9, 2**12)
_LONG = 1 + len(FAR_ULPS)
LEAST = _FEWEST_STEPS * (_SHORT + _LONG)


@dataclass(frozen=True)
class EnsembleMember:
    """One run. `ulps`: how far its initial parameters are moved. `number`: the seed of whatever is random in it.

    `program`: plain, with noise on every value, with sums in reverse order, or with its scalars raised or lowered.
    """

    program: Program
    ulps: int
    number: int
    steps: int


@dataclass(frozen=True)
class Plan:
    """The runs of an ensemble: the reference, those that differ from it by rounding, and those perturbed by many ulps.

    `steps`: training steps that all of `members` have.
    """

    reference: EnsembleMember
    members: tuple[EnsembleMember, ...]
    perturbed_far: tuple[EnsembleMember, ...]
    steps: int

    @property
    def cost(self) -> int:
        """Training steps in all."""
        return sum(member.steps for member in (self.reference, *self.members, *self.perturbed_far))


def affordable(seconds: float, step_seconds: float, most: int = BUDGET) -> int:
    """The training steps that fit into a time, at most so many, and at least the fewest that make an envelope."""
    return max(LEAST, min(most, int(seconds / step_seconds)))


def make_plan(budget: int = BUDGET) -> Plan:
    """Eight steps of every member, and as many of the reference and those perturbed far as are left of the budget.

    Raises: EnvelopeError when the budget is too small for three steps.
    """
    if budget < LEAST:
        raise EnvelopeError(
            f"{budget} training steps are too few for an envelope, expected at least {LEAST}. Raise --steps-budget."
        )
    steps = min(STEPS, budget // (_SHORT + _LONG))
    longest = (budget - _SHORT * steps) // _LONG
    members = [EnsembleMember("plain", 1, number, steps) for number in range(1, PERTURBED + 1)]
    members += [EnsembleMember("noisy", 1, number, steps) for number in range(1, NOISY + 1)]
    members += [EnsembleMember("reversed", ulps, number, steps) for number, ulps in enumerate(range(REVERSED), 1)]
    members += [EnsembleMember(program, 0, 1, steps) for program in SCALARS]
    perturbed_far = [EnsembleMember("plain", ulps, number, longest) for number, ulps in enumerate(FAR_ULPS, 1)]
    plan = Plan(EnsembleMember("plain", 0, 0, longest), tuple(members), tuple(perturbed_far), steps)
    assert plan.cost <= budget
    return plan
