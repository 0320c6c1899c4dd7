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
    first, last = 0, len(program.operations)

    def attempt(start: int, stop: int) -> tuple[Trial, dict[int, Array]] | None:
        part = stretch(program, start, stop)
        if not part.outputs:
            return None
        before = program.part(range(start), [value for value in part.inputs if value >= program.arguments])
        known = fed | (laboratory.values(before, fed) if before.outputs else {})
        if any(value not in known for value in part.inputs):
            return None
        trial = laboratory.judge(part, known)
        say(f"operations {start} to {stop - 1}: {trial.outcome}, ratio {trial.worst[0]:.2f}")
        # A stretch holds bends, and a flip makes its bound coarse: what is left to doubt is not followed.
        return (trial, known) if trial.worst[0] >= FAULT else None

    found = attempt(first, last)
    if found is None:
        return None
    step = (last - first) // 2
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


def stretch(program: OperationGraph, start: int, stop: int) -> ProgramPart:
    """Operations in a row, with all that is needed after them."""
    numbers = [
        number for number in range(start, stop) if not program.copied.issuperset(program.operations[number].results)
    ]
    made = {value for number in numbers for value in program.operations[number].results}
    after = [op.number for op in program.operations[stop:]]
    needed = set(program.returned) | set(program.part(after, ()).inputs)
    return program.part(numbers, sorted((made & needed) | increments(program, numbers)))
