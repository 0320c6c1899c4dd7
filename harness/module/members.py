"""Which members of a noisy ensemble are run, in which order: alike for a whole module and for a part of one."""

from harness.module.noise import UNIT
from harness.module.task import Noise

AMPLITUDE = 4 * UNIT
EXACT = Noise(0.0, 0.0, 0)  # the reference itself
MEMBERS = 4
MORE_MEMBERS = 12  # where the first ones leave a doubt
_CHOOSING = 100  # number of the first one that may choose otherwise: none of the others has its noise


def first_members(seed: int, count: int = MEMBERS) -> list[Noise]:
    """The reference, and the members after it. Other seeds give other noise."""
    return [EXACT, *_noises(seed, 0, count)]


def more_members(seed: int) -> list[Noise]:
    """Those that come where the first ones leave a doubt."""
    return _noises(seed, MEMBERS, MORE_MEMBERS)


def choosing_members(seed: int) -> list[Noise]:
    """Those that also choose otherwise among equal elements."""
    return [Noise(AMPLITUDE, AMPLITUDE, one.seed) for one in _noises(seed, _CHOOSING, MEMBERS)]


def _noises(seed: int, first: int, count: int) -> list[Noise]:
    seeds = [(seed * 1000 + number + 1) % 2**32 for number in range(first, first + count)]
    return [Noise(AMPLITUDE, 0.0, one) for one in seeds]
