"""From operations that are wrong together to the smallest set that still is.

The value under suspicion stays the same while the set shrinks, or the search would slip from one fault to another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.module.isolate.halves import shortest, stretch
from harness.module.isolate.laboratory import Laboratory, Trial
from harness.module.isolate.program import ProgramPart, slice_of
from harness.module.task import Array
from harness.module.words import DOUBT

_MOST_DROPS = 40  # trials of dropping one operation
_MOST_SUSPECTS = 4  # values of one window that are tried
_MOST_BYTES = 1 << 28  # of values that are looked at in one run


@dataclass(frozen=True)
class SmallestPart:
    """The smallest set that was found: its trial, and the values that it was fed, by number."""

    trial: Trial
    known: dict[int, Array]


class Shrinker:
    """Shrinks parts of one window. `known`: what the window was fed; values inside it are computed when needed.

    `tries`: runs of each candidate, for an executor that is not wrong every time.
    """

    def __init__(self, laboratory: Laboratory, part: ProgramPart, known: dict[int, Array], tries: int) -> None:
        self._laboratory = laboratory
        self._program = laboratory.program
        self._part = part
        self._known = {value: known[value] for value in part.inputs}
        self._tries = tries
        inside = [value for number in part.operations for value in self._program.operations[number].results]
        self._inside = [value for value in inside if value not in self._program.copied]
        self._known |= laboratory.values(self._program.part(part.operations, self._inside), self._known)

    def smallest(self, trial: Trial) -> SmallestPart | None:
        """The smallest set that is wrong where a trial of the window was; None where nothing is wrong any more."""
        found = self._by_value(trial)
        if found is None:
            # More results, or fewer, are another program: a stretch has those that the window has at its place.
            numbers = trial.part.operations
            stretched = shortest(len(numbers), lambda start, stop: self._wrong_stretch(numbers[start:stop]))
            found = (self._by_value(stretched) or stretched) if stretched is not None else None
        if found is None:
            _, value = trial.worst
            found = self._with_bystanders(slice_of(self._program, self._part.operations, [value]), value)
        return None if found is None else SmallestPart(found, self._known)

    def _by_value(self, trial: Trial) -> Trial | None:
        """The smallest set that makes one of the wrong values wrong alone; None where none of them is."""
        for value in self._suspects(trial):
            numbers: Sequence[int] = slice_of(self._program, trial.part.operations, [value])
            found = self._wrong([self._program.maker[value]], value) or self._wrong(numbers, value)
            if found is None:
                continue
            if len(found.part.operations) > 1:
                numbers, found = self._without_beginning(numbers, value, found)
                numbers, value, found = self._without_end(numbers, value, found)
                _, found = self._without_middle(numbers, value, found)
            return found
        return None

    def _wrong_stretch(self, numbers: Sequence[int]) -> Trial | None:
        part = stretch(self._program, numbers)
        if not part.outputs or any(value not in self._known for value in part.inputs):
            return None
        trials = (self._laboratory.judge(part, self._known) for _ in range(self._tries))
        return next((trial for trial in trials if trial.worst[0] >= DOUBT), None)

    def _suspects(self, trial: Trial) -> list[int]:
        """Values of the window in the order in which they are looked at: what is wrong first makes others wrong."""
        wrong = sorted(value for value, ratio in trial.ratios.items() if ratio >= DOUBT and value not in trial.tied)
        first: list[int] = []
        inside = [value for value in self._inside if self._program.maker[value] in trial.part.operations]
        if sum(self._known[value].nbytes for value in inside if value in self._known) <= _MOST_BYTES:
            # With every value a result the compiler fuses otherwise, so that this is a hint and no more.
            seen = self._laboratory.judge(self._program.part(trial.part.operations, inside), self._known)
            first = sorted(v for v, ratio in seen.ratios.items() if ratio >= DOUBT and v not in seen.tied)[:1]
        _, worst = trial.worst
        return list(dict.fromkeys([*first, *wrong[: _MOST_SUSPECTS - 2], worst]))

    def others(self, found: Sequence[int]) -> Trial | None:
        """The window without some operations, whose results it is fed: the trial where it is still wrong."""
        numbers = [number for number in self._part.operations if number not in found]
        made = {value for number in numbers for value in self._program.operations[number].results}
        wanted = {*self._part.outputs, *self._program.part(found, ()).inputs}
        part = self._program.part(numbers, sorted(wanted & made))
        if not part.outputs:
            return None
        trial = self._laboratory.judge(part, self._known)
        return trial if trial.worst[0] >= DOUBT else None

    def _with_bystanders(self, needed: Sequence[int], value: int) -> Trial | None:
        """The fewest operations beside those that a value depends on that make it wrong, where the latter alone do not.

        Half of them is dropped where that leaves it wrong, then a quarter, until each has been tried alone.
        """
        left = list(self._part.operations)
        trial = self._laboratory.bad(self._part, self._known, value, self._tries)
        if trial is None:
            return None
        droppable = [number for number in left if number not in needed]
        size = len(droppable)
        while size:
            for start in range(0, len(droppable), size):
                dropped = set(droppable[start : start + size]) & set(left)
                fewer = [number for number in left if number not in dropped]
                part = self._all_of(fewer, value)
                found = self._laboratory.bad(part, self._known, value, self._tries) if dropped else None
                if found is not None:
                    left, trial = fewer, found
            size //= 2
        return trial

    def _all_of(self, numbers: Sequence[int], value: int) -> ProgramPart:
        """A part that a value comes out of, and nothing in it unused."""
        used = {operand for number in numbers for operand in self._program.operations[number].operands}
        made = [result for number in numbers for result in self._program.operations[number].results]
        ends = {result for result in made if result not in used and result not in self._program.copied}
        return self._program.part(numbers, sorted(ends | {value}))

    def _wrong(self, numbers: Sequence[int], value: int) -> Trial | None:
        part = self._program.part(numbers, [value])
        if any(one not in self._known for one in part.inputs):
            return None
        return self._laboratory.bad(part, self._known, value, self._tries)

    def _without_beginning(self, numbers: Sequence[int], value: int, trial: Trial) -> tuple[Sequence[int], Trial]:
        """The shortest end of a chain of operations that is wrong."""

        def end(first: int) -> Sequence[int]:
            return slice_of(self._program, numbers[first:], [value])

        kept, found = _furthest(len(numbers) - 1, trial, lambda first: self._wrong(end(first), value))
        return end(kept), found

    def _without_end(self, numbers: Sequence[int], value: int, trial: Trial) -> tuple[Sequence[int], int, Trial]:
        """The shortest beginning of a chain that is wrong in what it computes itself."""
        targets = [
            (number, result)
            for number in numbers
            for result in self._program.operations[number].results
            if result not in self._program.copied
        ]
        targets = targets[: targets.index((self._program.maker[value], value)) + 1]

        def attempt(shorter_by: int) -> Trial | None:
            number, target = targets[len(targets) - 1 - shorter_by]
            inside = [one for one in numbers if one <= number]
            return self._wrong(slice_of(self._program, inside, [target]), target)

        # The first operation alone is what it is most often.
        alone = attempt(len(targets) - 1) if len(targets) > 1 else None
        if alone is not None:
            return alone.part.operations, targets[0][1], alone
        kept, found = _furthest(len(targets) - 1, trial, attempt)
        return found.part.operations, targets[len(targets) - 1 - kept][1], found

    def _without_middle(self, numbers: Sequence[int], value: int, trial: Trial) -> tuple[Sequence[int], Trial]:
        """Drop one operation after another, whose results become inputs."""
        left = list(numbers)
        for number in list(numbers)[:_MOST_DROPS]:
            if len(left) == 1 or number not in left or number == self._program.maker[value]:
                continue
            fewer = slice_of(self._program, [one for one in left if one != number], [value])
            found = self._wrong(fewer, value)
            if found is not None:
                left, trial = list(fewer), found
        return left, trial


def _furthest(most: int, trial: Trial, attempt: Callable[[int], Trial | None]) -> tuple[int, Trial]:
    """The largest number, by halving, for which an attempt is still wrong, and its trial; 0 is, with `trial`."""
    wrong, right = 0, most + 1
    while right - wrong > 1:
        middle = (wrong + right) // 2
        found = attempt(middle)
        if found is None:
            right = middle
        else:
            wrong, trial = middle, found
    return wrong, trial
