"""The members of an ensemble, for so many training steps in all."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import EnvelopeError

Program = Literal["plain", "noisy", "reversed"]

BUDGET = 400
STEPS = 8
_FEWEST_STEPS = 3  # an optimizer's state shows first in the third
PERTURBED, NOISY, REVERSED = 30, 4, 2
# Much larger than rounding, so that what differs has flipped in each of them and grows as it will.
FAR_ULPS = (2**6, 2**9, 2**12)


@dataclass(frozen=True)
class EnsembleMember:
    """One run. `ulps`: how far its initial parameters are moved. `number`: the seed of whatever is random in it."""

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


def make_plan(budget: int = BUDGET) -> Plan:
    """Eight steps of every member, and as many of the reference and those perturbed far as are left of the budget.

    Raises: EnvelopeError when the budget is too small for three steps.
    """
    short, long = PERTURBED + NOISY + REVERSED, 1 + len(FAR_ULPS)
    steps = min(STEPS, budget // (short + long))
    if steps < _FEWEST_STEPS:
        least = _FEWEST_STEPS * (short + long)
        raise EnvelopeError(
            f"{budget} training steps are too few for an envelope, expected at least {least}. Raise --steps-budget."
        )
    longest = (budget - short * steps) // long
    perturbed = [EnsembleMember("plain", 1, number, steps) for number in range(1, PERTURBED + 1)]
    noisy = [EnsembleMember("noisy", 1, number, steps) for number in range(1, NOISY + 1)]
    turned = [EnsembleMember("reversed", ulps, number, steps) for number, ulps in enumerate(range(REVERSED), 1)]
    perturbed_far = [EnsembleMember("plain", ulps, number, longest) for number, ulps in enumerate(FAR_ULPS, 1)]
    plan = Plan(EnsembleMember("plain", 0, 0, longest), tuple(perturbed + noisy + turned), tuple(perturbed_far), steps)
    assert plan.cost <= budget
    return plan
