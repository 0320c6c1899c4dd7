"""The states of a run that are looked at more closely: a few, where most may go wrong."""

from collections.abc import Sequence

from harness.spec.netspec import TrainConfig
from harness.spec.shapes import Graph, size
from harness.trace.parts import Part

MOST_BYTES = 2 << 30  # of all states of a run that lie on the disk for a while
STEPS = 4  # taken from a state: the first to see each part of a training step, and one more
WINDOW = 5  # segments that are taken again an ulp away, in a row: the median of fewer tells nothing
_AT_EPOCHS = 0.75  # of the states may lie at boundaries of epochs


def state_bytes(graph: Graph, config: TrainConfig) -> int:
    """Bytes of a state in f32: parameters, optimizer slots, running statistics."""
    statistics = sum(size(state.shape) for state in graph.states)
    return 4 * (graph.total_params * (1 + len(config.optimizer.slots)) + statistics)


def sample_parts(steps: int, whole: int, epoch_steps: int, grid: int, number: int) -> tuple[Part, ...]:
    """At most so many states of a run, as parts of the run: the state that it ends in, epoch boundaries, and others.

    A part at a boundary has two steps on either side of it or more. The other states are spread over the run
    evenly in the logarithm of their step. The state that the run ends in has no steps where there are none left
    in the `whole` training, or where the run is no longer than `grid`, which other gates judge step by step.

    `grid`: there are states before each so many steps.
    """
    if number < 1:
        return ()
    end = Part(steps + 1, min(STEPS, whole - steps) if steps > grid else 0)
    while grid < STEPS:  # parts must not overlap
        grid *= 2
    candidates = [Part(first, STEPS) for first in range(1 + grid, steps + 2 - STEPS, grid)]
    boundaries = list(_boundaries(candidates, steps, epoch_steps))
    boundaries = _spread(boundaries, min(len(boundaries), int(_AT_EPOCHS * number)))
    taken = [*boundaries, end]
    free = [part for part in candidates if all(part.end <= one.first or one.end <= part.first for one in taken)]
    return tuple(sorted([*taken, *_log_spaced(free, number - len(taken))], key=lambda part: part.first))


def whole_segments(parts: Sequence[Part], grid: int, steps: int) -> list[Part]:
    """A segment of `grid` steps behind the state of each part, where the run has all of it."""
    return [Part(part.first, grid) for part in parts if part.first + grid <= steps + 1]


def keep_steps(steps: int, epoch_steps: int, grid: int, number: int) -> tuple[int, ...]:
    """At most so many steps whose states are kept: both ends of segments of `grid` steps, the run's last among them.

    From a state at the beginning of a segment the run can be replayed, and is held to the one at its end.
    """
    if number < 1:
        return ()
    last = 1 + (steps - 1) // grid * grid  # where the last segment begins
    if number == 1 or last == 1:
        return (steps + 1,)
    starts = [part.first for part in sample_parts(last - 1, steps, epoch_steps, grid, number // 2)]
    return tuple(sorted({*starts, *(min(start + grid, steps + 1) for start in starts)}))


def _boundaries(candidates: Sequence[Part], steps: int, epoch_steps: int) -> list[Part]:
    """A part for each epoch that begins in the run, across its beginning. None reaches into the next one."""
    found: list[Part] = []
    for begin in range(1 + epoch_steps, steps, epoch_steps):
        before = [part for part in candidates if part.first <= begin - 2]
        if before and (not found or found[-1].end <= before[-1].first):
            found.append(Part(before[-1].first, begin + 2 - before[-1].first))
    return found


def _spread(parts: Sequence[Part], number: int) -> list[Part]:
    """So many of the parts, evenly, with the last one."""
    return [parts[(i + 1) * len(parts) // number - 1] for i in range(number)]


def _log_spaced(parts: Sequence[Part], number: int) -> list[Part]:
    """So many of the parts, evenly by the logarithm of their place, the first among them; all if there are fewer."""
    number = min(number, len(parts))
    found: list[Part] = []
    place = 0
    for left in range(number, 0, -1):
        found.append(parts[place])
        if left > 1:
            further = round((place + 1) * (len(parts) / (place + 1)) ** (1 / (left - 1)))
            place = max(place + 1, min(further - 1, len(parts) - left + 1))
    return found
