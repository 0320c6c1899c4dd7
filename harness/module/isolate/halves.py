"""The whole that is wrong while every window of it is right: halved, then shrunk from both ends.

A compiler that fuses across every cut gets only the uncut program wrong.
"""

from collections.abc import Callable, Sequence

from harness.module.isolate.laboratory import Laboratory, Trial
from harness.module.isolate.program import OperationGraph, ProgramPart, increments
from harness.module.task import Array
from harness.module.words import FAULT


def halve(
    laboratory: Laboratory, arguments: Sequence[Array], say: Callable[[str], None]
) -> tuple[Trial, dict[int, Array]] | None:
    """The shortest stretch of operations that is wrong, and what it was fed; None where even the whole is right."""
    program, fed = laboratory.program, dict(enumerate(arguments))
    found: list[tuple[Trial, dict[int, Array]]] = []

    def wrong(start: int, stop: int) -> bool:
        part = stretch(program, range(start, stop))
        before = program.part(range(start), [value for value in part.inputs if value >= program.arguments])
        known = fed | (laboratory.values(before, fed) if before.outputs else {})
        if not part.outputs or any(value not in known for value in part.inputs):
            return False
        trial = laboratory.judge(part, known)
        say(f"operations {start} to {stop - 1}: {trial.outcome}, ratio {trial.worst[0]:.2f}")
        # A stretch holds bends, and a flip makes its bound coarse: what is left to doubt is not followed.
        if trial.worst[0] < FAULT:
            return False
        found.append((trial, known))
        return True

    if not wrong(0, len(program.operations)):
        return None
    shortest(len(program.operations), wrong)
    return found[-1]


def shortest(length: int, wrong: Callable[[int, int], bool]) -> tuple[int, int]:
    """The shortest stretch, from a start up to a stop, that is still wrong when it is cut from both ends.

    `wrong` of the last one that is, is the last call that was true.
    """
    first, last = 0, length
    step = length // 2
    while step:
        for start, stop in ((first, last - step), (first + step, last)):
            if wrong(start, stop):
                first, last = start, stop
                break
        else:
            step //= 2
        step = min(step, (last - first) // 2)
    return first, last


def stretch(program: OperationGraph, numbers: Sequence[int]) -> ProgramPart:
    """Operations in a row, with all that is needed after them."""
    tested = [n for n in numbers if not program.copied.issuperset(program.operations[n].results)]
    made = {value for number in tested for value in program.operations[number].results}
    after = [op.number for op in program.operations[max(numbers) + 1 :]]
    needed = set(program.returned) | set(program.part(after, ()).inputs)
    return program.part(tested, sorted((made & needed) | increments(program, tested)))
