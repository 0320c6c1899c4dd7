"""One pass over a program: every window at values of the f64 version, however the ones before it came out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.module.isolate.laboratory import Laboratory, Trial
from harness.module.isolate.program import ProgramPart, increments
from harness.module.isolate.windows import last_uses
from harness.module.task import Array
from harness.module.words import DOUBT


@dataclass(frozen=True)
class ScannedWindow:
    """A window, how it came out, and the largest ratio of its outputs. `pieces`: what ran of one that did not."""

    part: ProgramPart
    outcome: str
    message: str
    ratio: float
    pieces: tuple["ScannedWindow", ...] = ()

    @property
    def compared(self) -> tuple["ScannedWindow", ...]:
        """What of it was compared: all, or its pieces."""
        return (self,) if self.outcome == "ran" else self.pieces


@dataclass(frozen=True)
class RefusedOperation:
    """An operation that the executor does not run, or that has no reference. `number`: in the program."""

    number: int
    outcome: str
    message: str


def scan(
    laboratory: Laboratory,
    parts: Sequence[ProgramPart],
    arguments: Sequence[Array],
    suspect: Callable[[Trial, dict[int, Array]], None],
    refused: list[RefusedOperation],
    say: Callable[[str], None],
) -> list[ScannedWindow]:
    """Judge every window. `suspect` is handed those that are not rounding, with the values that they are fed.

    Memory: the values that a later window is fed, in their own types.
    """
    known: dict[int, Array] = dict(enumerate(arguments))
    last = last_uses(parts)
    scanned = []
    for number, part in enumerate(parts):
        trial = laboratory.judge(part, known)
        ratio, _ = trial.worst
        first, end = part.operations[0], part.operations[-1]
        say(f"window {number + 1} of {len(parts)}, operations {first} to {end}: {_told(trial, ratio)}")
        pieces: list[ScannedWindow] = []
        if ratio >= DOUBT:
            suspect(trial, known)
        elif trial.outcome != "ran":
            _narrow(laboratory, part, known, suspect, refused, pieces)
        scanned.append(_window(trial, tuple(pieces)))
        known |= trial.values or laboratory.values(part, known)
        for value in [value for value in known if last.get(value, -1) <= number]:
            del known[value]
        if any(value not in known for later in parts[number + 1 :] for value in later.inputs if value in part.outputs):
            say("the reference cannot be computed any further")
            break
    return scanned


def _window(trial: Trial, pieces: tuple[ScannedWindow, ...] = ()) -> ScannedWindow:
    return ScannedWindow(trial.part, trial.outcome, trial.execution.message, trial.worst[0], pieces)


def _told(trial: Trial, ratio: float) -> str:
    return trial.outcome if trial.outcome != "ran" else f"ratio {ratio:.2f}"


def _narrow(
    laboratory: Laboratory,
    part: ProgramPart,
    known: dict[int, Array],
    suspect: Callable[[Trial, dict[int, Array]], None],
    refused: list[RefusedOperation],
    pieces: list[ScannedWindow],
) -> None:
    """Halve a window that does not run until the operation is alone; judge the rest."""
    program = laboratory.program
    if len(part.operations) == 1:
        trial = laboratory.judge(part, known)
        told = trial.execution.message if trial.reference.outcome == "ran" else trial.reference.message
        refused.append(RefusedOperation(part.operations[0], trial.outcome, told))
        return
    middle = len(part.operations) // 2
    halves = [part.operations[:middle], part.operations[middle:]]
    wanted = set(part.outputs) | set(program.part(halves[1], ()).inputs)
    inner = dict(known)
    for group in halves:
        made = {value for number in group for value in program.operations[number].results}
        half = program.part(group, sorted((made & wanted) | increments(program, group)))
        if not half.outputs:
            continue
        trial = laboratory.judge(half, inner)
        pieces += _window(trial).compared
        if trial.worst[0] >= DOUBT:
            suspect(trial, inner)
        elif trial.outcome != "ran":
            _narrow(laboratory, half, inner, suspect, refused, pieces)
        inner |= trial.values or laboratory.values(half, inner)
