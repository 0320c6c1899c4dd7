"""The whole that is wrong while every window of it is right: halved, then shrunk from both ends.

A compiler that fuses across every cut gets only the uncut program wrong.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.module.isolate.laboratory import Laboratory, Trial
from harness.module.isolate.program import OperationGraph, ProgramPart, increments
from harness.module.task import Array
from harness.module.words import FAULT

Found = TypeVar("Found")


def halve(
    laboratory: Laboratory, arguments: Sequence[Array], say: Callable[[str], None]
) -> tuple[Trial, dict[int, Array]] | None:
    """The shortest stretch of operations that is wrong, and what it was fed; None where even the whole is right."""
    program, fed = laboratory.program, dict(enumerate(arguments))

    def attempt(start: int, stop: int) -> tuple[Trial, dict[int, Array]] | None:
        part = stretch(program, range(start, stop))
        before = program.part(range(start), [value for value in part.inputs if value >= program.arguments])
        known = fed | (laboratory.values(before, fed) if before.outputs else {})
        if not part.outputs or any(value not in known for value in part.inputs):
            return None
        trial = laboratory.judge(part, known)
        say(f"operations {start} to {stop - 1}: {trial.outcome}, ratio {trial.worst[0]:.2f}")
        # A stretch holds bends, and a flip makes its bound coarse: what is left to doubt is not followed.
        return (trial, known) if trial.worst[0] >= FAULT else None

    return shortest(len(program.operations), attempt)


def shortest(length: int, attempt: Callable[[int, int], Found | None]) -> Found | None:
    """What an attempt finds in the shortest stretch, cut from both ends, in which it still finds something.

    `attempt`: is given a start and a stop. None where it finds nothing in the whole.
    """
    first, last = 0, length
    found = attempt(first, last)
    step = length // 2 if found is not None else 0
    while step:
        for start, stop in ((first, last - step), (first + step, last)):
            fewer = attempt(start, stop)
            if fewer is not None:
                found, first, last = fewer, start, stop
                break
        else:
            step //= 2
        step = min(step, (last - first) // 2)
    return found


def stretch(program: OperationGraph, numbers: Sequence[int]) -> ProgramPart:
    """Operations in a row, with all that is needed after them."""
    tested = [n for n in numbers if not program.copied.issuperset(program.operations[n].results)]
    made = {value for number in tested for value in program.operations[number].results}
    after = [op.number for op in program.operations[max(numbers) + 1 :]]
    needed = set(program.returned) | set(program.part(after, ()).inputs)
    return program.part(tested, sorted((made & needed) | increments(program, tested)))
