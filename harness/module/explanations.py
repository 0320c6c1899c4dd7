"""What explains an error without a fault, in the order in which it is tried: for whole modules and for parts of one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.module.clone import Widener
from harness.module.execute import Execution
from harness.module.executors import INTERPRETER, REFERENCE, ModuleExecutor, confirmation_limit
from harness.module.f32_range import Flushed, WithinRange
from harness.module.measure import NoisyEnsemble, Size, compared, ratios
from harness.module.signature import TensorType
from harness.module.task import Array
from harness.module.words import AS_WITHOUT_COMPILER, DOUBT, FLUSHED, OUT_OF_RANGE, Word

_DRIFT = 1e3  # errors to one side are at most sqrt(3 K) times as large as random ones: in a sum of a third of a million


@dataclass(frozen=True)
class Versions:
    """A module at one input, to be run again.

    `text`: with everything inlined into `main`; `ensemble`: its reference, and what rounding does to that; `kinds`: of
    its results; `in_f64`: runs another version of it, within so many seconds; `in_f32`: runs it as it is.
    """

    text: str
    ensemble: NoisyEnsemble
    kinds: Sequence[TensorType]
    timeout_s: float
    in_f64: Callable[[ModuleExecutor, str, float], Execution]
    in_f32: Callable[[ModuleExecutor, float], Execution]

    def ratios(self, results: Sequence[Array], reference: Sequence[Array] | None = None) -> list[float]:
        """Errors over what rounding does, by result. `reference`: another one, with the same rounding."""
        exact = self.ensemble.reference if reference is None else reference
        return ratios(results, exact, self.ensemble.spreads, self.kinds)


Explains = Callable[[Sequence[Array]], set[int]]  # the numbers of the results whose error it explains


@dataclass(frozen=True)
class Explanation:
    """`word`, `note`: of results that it explains. `says`: what it runs.

    `begin`: runs that, and gives None where it cannot. `below`: of the ratios that it can explain, None: of any.
    """

    word: Word
    note: str
    says: str
    begin: Callable[[Versions], Explains | None]
    below: float | None = None

    def is_worth_trying(self, ratios_left: Iterable[float]) -> bool:
        """Whether it can explain one of those that nothing before it has."""
        return any(self.below is None or ratio < self.below for ratio in ratios_left)


def _flushing(versions: Versions) -> Explains | None:
    """An error that comes of numbers below the smallest normal one, taken for zero, is rounding."""
    run = versions.in_f64(REFERENCE, Flushed().clone(versions.text, "main"), versions.timeout_s)
    if not run.calls:
        return None
    return lambda results: _near(versions.ratios(results, run.calls[0]))


def _leaving_the_range(versions: Versions) -> Explains | None:
    """An error of a result that f32 leaves its range on the way to is a doubt: what comes of that is left open."""
    run = versions.in_f64(REFERENCE, WithinRange().clone(versions.text, "main"), versions.timeout_s)
    if not run.calls:
        return None
    found = versions.ratios(run.calls[0])
    outside = set(range(len(found))) - _near(found)
    return lambda results: outside


def _drifting(versions: Versions) -> Explains | None:
    """An error that the interpreter has as well, in f32 and in the order of the text, is rounding.

    The members round at random. A long sum of equal terms does not: every addition errs to the same side. In f64 the
    interpreter has to agree with the reference, which may be what is wrong.
    """
    limit = confirmation_limit(INTERPRETER, versions.timeout_s)
    run = versions.in_f32(INTERPRETER, limit)
    exact = versions.in_f64(INTERPRETER, Widener().clone(versions.text, "main"), limit) if run.calls else run
    if not exact.calls:
        return None
    agreed, reference = _near(versions.ratios(exact.calls[0])), versions.ensemble.reference

    def errors_of(results: Sequence[Array]) -> list[Size]:
        trios = zip(results, reference, versions.ensemble.spreads, strict=True)
        return [compared(result, wide, spread)[0] for result, wide, spread in trios]

    far = errors_of(run.calls[0])

    def explains(results: Sequence[Array]) -> set[int]:
        errors = errors_of(results)
        return agreed & {n for n, (e, f) in enumerate(zip(errors, far, strict=True)) if e.within(f, DOUBT)}

    return explains


def _near(found: Sequence[float]) -> set[int]:
    return {number for number, ratio in enumerate(found) if ratio < DOUBT}


EXPLANATIONS = (
    Explanation("rounding", FLUSHED, "f64 with numbers below the smallest normal one taken for zero …", _flushing),
    Explanation("doubt", OUT_OF_RANGE, "f64 within the range of f32 …", _leaving_the_range),
    Explanation("rounding", AS_WITHOUT_COMPILER, "the interpreter in f32 and in f64 …", _drifting, below=_DRIFT),
)
