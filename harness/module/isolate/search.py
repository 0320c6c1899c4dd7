"""Which operation does an executor get wrong? A scan by windows, then halves of the whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.module.check import check_module, refuse_unjudged
from harness.module.executors import ModuleExecutor
from harness.module.isolate.confirm import Confirmation, confirm
from harness.module.isolate.halves import halve
from harness.module.isolate.laboratory import Laboratory, Trial
from harness.module.isolate.places import OpPlace, places
from harness.module.isolate.program import OperationGraph, opened
from harness.module.isolate.scan import RefusedOperation, ScannedWindow, scan
from harness.module.isolate.shrink import Shrinker, SmallestPart
from harness.module.isolate.windows import WINDOW, windows
from harness.module.load import StableModule
from harness.module.measure import Size, smallest_bound
from harness.module.task import Array
from harness.module.words import DOUBT, UNFINISHED, WRONG, ExecutorCheck

_TRIES_IF_UNSTEADY = 3  # of a candidate, where a second run of the window was right
_MOST_FAULTS = 8  # in one window


@dataclass(frozen=True)
class IsolatedFault:
    """The smallest set of operations that was found wrong. `ops`: in the order of the function.

    `text`: the set as a module; `inputs`, `expected`: what it is fed and should give, the latter in f64 where it is
    f32; `bounds`: what rounding does to that; `window`: how many operations were looked at together when it showed.
    """

    ops: tuple[OpPlace, ...]
    confirmation: Confirmation
    text: str
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]
    bounds: tuple[Size, ...]
    window: int


@dataclass(frozen=True)
class FaultsLeft:
    """A window, `first` to `last`, of which no more sets are looked for: so many of its results are still wrong."""

    first: OpPlace
    last: OpPlace
    wrong: int
    of: int

    def __str__(self) -> str:
        return (
            f"{_MOST_FAULTS} sets are named of the operations from {self.first} to {self.last}; without them "
            f"{self.wrong} of {self.of} results are still wrong. A smaller --window names more."
        )


@dataclass
class Isolation:
    """What a search found. `procedure`: the last one; `whole`: the verdict on the whole, where it was asked for.

    `fleeting`: first and last operation of what was wrong in one run and never again; `unreached`: windows that could
    not be fed, since the reference of one before them cannot be computed; `left`: windows with more faults than are
    looked for.
    """

    module: StableModule
    executor: ModuleExecutor
    procedure: str = "scan"
    windows: list[ScannedWindow] = field(default_factory=list)
    faults: tuple[IsolatedFault, ...] = ()
    refused: list[tuple[OpPlace, RefusedOperation]] = field(default_factory=list)
    fleeting: list[tuple[OpPlace, OpPlace]] = field(default_factory=list)
    left: list[FaultsLeft] = field(default_factory=list)
    unreached: int = 0
    whole: ExecutorCheck | None = None
    trials: int = 0

    @property
    def exit_code(self) -> int:
        """0 rounding only, 1 a fault, 3 nothing compared, a doubt, or what was neither compared nor refused."""
        words = {fault.confirmation.word for fault in self.faults} - {"rounding", "tie"}
        whole = self.whole.word if self.whole is not None else ""
        if words.intersection(WRONG) or self.fleeting or whole in WRONG:
            return 1
        compared = any(window.compared for window in self.windows)
        open_ended = words or self.unreached or whole in ("doubt", "reference in doubt", *UNFINISHED)
        open_ended = open_ended or any(one.outcome != "refused" for _, one in self.refused)
        return 0 if compared and not open_ended else 3

    @property
    def wrong(self) -> list[IsolatedFault]:
        """The faults without those that something else explains, or that are left to doubt."""
        return [fault for fault in self.faults if fault.confirmation.word in WRONG]


def isolate(
    module: StableModule,
    executor: ModuleExecutor,
    arguments: Sequence[Array],
    *,
    seed: int,
    timeout_s: float,
    window: int = WINDOW,
    whole: bool = False,
    most_bytes: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Isolation:
    """Search the operations that an executor gets wrong at one input.

    `whole`: when no window is wrong, judge the whole as well, and halve it if that is wrong. `most_bytes`: of memory
    that one process may hold.
    Raises: ModuleError for a module with an operation that is not judged.
    """
    refuse_unjudged(module)
    with (
        opened(module.inlined) as program,
        Laboratory(program, executor, seed=seed, timeout_s=timeout_s, most_bytes=most_bytes) as laboratory,
    ):
        search = _Search(module, program, laboratory, say)
        isolation = search.result
        search.scan(arguments, window, None)
        if not isolation.wrong and whole:
            check = check_module(
                module, [executor], arguments, seed=seed, timeout_s=timeout_s, most_bytes=most_bytes, say=say
            )
            isolation.whole = check.executors[0] if check.executors else None
            if isolation.whole is not None and isolation.whole.word in WRONG:
                isolation.procedure = "scan with shifted windows"
                search.scan(arguments, window, max(1, window // 2))
                if not isolation.wrong:
                    isolation.procedure = "halves"
                    search.halves(arguments)
        isolation.trials = laboratory.trials
        return isolation


class _Search:
    """The steps of a search, and what they find in `result`."""

    def __init__(
        self, module: StableModule, program: OperationGraph, laboratory: Laboratory, say: Callable[[str], None]
    ) -> None:
        self.result = Isolation(module, laboratory.executor)
        self._places = places(module)
        self._program = program
        self._laboratory = laboratory
        self._say = say

    def scan(self, arguments: Sequence[Array], size: int, first: int | None) -> None:
        refused: list[RefusedOperation] = []
        parts = windows(self._program, size, first)
        scanned = scan(self._laboratory, parts, arguments, self._suspect, refused, self._say)
        self.result.windows += scanned
        self.result.unreached += len(parts) - len(scanned)
        told = {one.number for _, one in self.result.refused}
        self.result.refused += [(self._places[one.number], one) for one in refused if one.number not in told]

    def halves(self, arguments: Sequence[Array]) -> None:
        found = halve(self._laboratory, arguments, self._say)
        if found is not None:
            self._suspect(*found)

    def _suspect(self, trial: Trial, known: dict[int, Array]) -> None:
        """Shrink every fault of a window, one after another."""
        again = self._laboratory.judge(trial.part, known)
        tries = 1 if again.worst[0] >= DOUBT else _TRIES_IF_UNSTEADY
        shrinker = Shrinker(self._laboratory, trial.part, known, tries)
        window, done, left = len(trial.part.operations), list[int](), trial
        for _ in range(_MOST_FAULTS):
            smallest = shrinker.smallest(left)
            if smallest is None:
                self._say("a window was wrong once, and not again")
                numbers = left.part.operations
                self.result.fleeting.append((self._places[numbers[0]], self._places[numbers[-1]]))
                return
            operations = smallest.trial.part.operations
            self._say(f"wrong: {', '.join(str(self._places[number]) for number in operations)}")
            self._keep(smallest, window)
            done += operations
            more = shrinker.others(done)
            if more is None:
                return
            left = more
        first, last = left.part.operations[0], left.part.operations[-1]
        wrong = sum(ratio >= DOUBT and value not in left.tied for value, ratio in left.ratios.items())
        self.result.left.append(FaultsLeft(self._places[first], self._places[last], wrong, len(left.ratios)))

    def _keep(self, found: SmallestPart, window: int) -> None:
        trial = found.trial
        ops = tuple(self._places[number] for number in trial.part.operations)
        if any(fault.ops == ops for fault in self.result.faults):
            return
        fault = IsolatedFault(
            ops=ops,
            confirmation=confirm(self._laboratory, found),
            text=self._program.text(trial.part),
            inputs=tuple(found.known[value] for value in trial.part.inputs),
            expected=tuple(trial.ensemble.reference),
            bounds=tuple(
                spread.grown(smallest_bound(self._program.types[value], exact))
                for value, spread, exact in zip(
                    trial.part.outputs, trial.ensemble.spreads, trial.ensemble.reference, strict=True
                )
            ),
            window=window,
        )
        self.result.faults += (fault,)
