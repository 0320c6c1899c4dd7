"""A module held against another one: the same inputs, results by name or in order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.measure import difference, smallest_bound
from harness.module.signature import TensorType
from harness.module.task import Array
from harness.module.tie.explanations import TensorPair, explanations
from harness.module.tie.runs import NotRunError, TieRuns
from harness.module.tie.slots import listed, plain
from harness.module.tie.words import F64_ROUNDING, SLACK, Tie, TiedTensor, distance, scales


def tie_to_module(module: StableModule, other: StableModule, arguments: Sequence[Array], runs: TieRuns) -> Tie:
    """All results that both have, new values by their updates.

    Raises: ModuleError where arguments or results do not go together.
    """
    for one in (module, other):
        if one.refusals:
            raise ModuleError(f"{one.path}: {one.refusals[0]}. Expected operations that have a meaning in f64.")
    wanted = _matched(
        module,
        other,
        "argument",
        [_named(one.name, one.type) for one in module.arguments],
        [_named(one.name, one.type) for one in other.arguments],
    )
    given = [arguments[wanted.index(number)] for number in range(len(other.arguments))]
    results = _matched(
        module,
        other,
        "result",
        [_named(one.name, one.type) for one in module.results],
        [_named(one.name, one.type) for one in other.results],
    )
    comparison = _ModuleComparison(module, other, arguments, given, results, runs)
    try:
        return comparison.tie(wanted)
    except NotRunError as error:
        return Tie(str(module.path), str(other.path), failure=str(error))


@dataclass(frozen=True)
class _ModuleComparison:
    """Two modules, what each is fed, and for each result of the first its number among those of the other."""

    module: StableModule
    other: StableModule
    arguments: Sequence[Array]
    given: Sequence[Array]
    results: Sequence[int]
    runs: TieRuns

    def tie(self, wanted: Sequence[int]) -> Tie:
        """Compared in f64, and in f32 where nothing differs there. `wanted`: as `results`, of arguments."""
        olds = [self._old(number, wanted) for number in range(len(self.results))]
        mine = [self._moves(one, olds) for one in self.runs.shaken(self.module, self.arguments)]
        theirs = [
            self._moves([one[number] for number in self.results], olds)
            for one in self.runs.shaken(self.other, self.given)
        ]
        sizes = scales(mine[0], theirs[0])
        errors = [distance(one, other) / size for one, other, size in zip(mine[0], theirs[0], sizes, strict=True)]
        allowed = [self._allowed(i, mine, theirs, olds[i]) / size for i, size in enumerate(sizes)]
        apart = any(not error <= most for error, most in zip(errors, allowed, strict=True))
        ratios = [math.nan] * len(errors) if apart else self._ratios()
        rows = [
            TiedTensor(one.name, "result" if olds[i] is None else "new - old", errors[i], allowed[i], ratios[i])
            for i, one in enumerate(self.module.results)
        ]
        told: list[str] = []
        if apart:
            pairs = [
                TensorPair(
                    self.module.results[i].name,
                    mine[0][i].shape,
                    mine[0][i].ravel(),
                    theirs[0][i].ravel(),
                    old.ravel(),
                    2.0 * allowed[i] * sizes[i],
                )
                for i, old in enumerate(olds)
                if old is not None
            ]
            told, _ = explanations(pairs, {"one": 1.0, "two": 2.0}) if pairs else ([], False)
        return Tie(str(self.module.path), str(self.other.path), tuple(rows), tuple(told))

    def _old(self, number: int, wanted: Sequence[int]) -> Array | None:
        """The argument of which a result is the new value, if it is that on both sides."""
        one, other = self.module.results[number].argument, self.other.results[self.results[number]].argument
        if one is None or other is None or wanted[one] != other:
            return None
        return np.asarray(self.arguments[one], np.float64)

    def _moves(self, results: Sequence[Array], olds: Sequence[Array | None]) -> list[Array]:
        """Results in f64, new values less the old ones."""
        wide = [np.asarray(value, np.float64) for value in results]
        return [value if old is None else value - old for value, old in zip(wide, olds, strict=True)]

    def _allowed(
        self, i: int, mine: Sequence[Sequence[Array]], theirs: Sequence[Sequence[Array]], old: Array | None
    ) -> float:
        """What f64 rounds, and what other roundings of constants do that both do not have in common."""
        size = max(float(np.linalg.norm(side[0][i].ravel())) for side in (mine, theirs))
        apart = [one[i] - other[i] for one, other in zip(mine, theirs, strict=True)]
        moved = max(distance(one, apart[0]) for one in apart[1:])
        absorbed = 0.0 if old is None else 2.0**-52 * float(np.linalg.norm(old.ravel()))
        return F64_ROUNDING * size + SLACK * (moved + absorbed)

    def _ratios(self) -> list[float]:
        """Of the difference in f32 over what rounding does."""
        noisy = self.runs.noisy(self.module, self.arguments)
        single = self.runs.once(f"{self.module.path} in f32", self.module.text, self.module.function, self.arguments)
        again = self.runs.once(f"{self.other.path} in f32", self.other.text, self.other.function, self.given)
        ratios = []
        for i, result in enumerate(self.module.results):
            spread = max(difference(member[i], noisy[0][i]).norm for member in noisy[1:])
            bound = max(spread, smallest_bound(result.type, noisy[0][i]).norm)
            apart = difference(single[i], again[self.results[i]]).norm
            ratios.append(apart / bound if bound else 0.0 if not apart else math.inf)
        return ratios


def _named(name: str, kind: TensorType) -> tuple[str, TensorType]:
    return plain(name), kind


def _matched(
    module: StableModule,
    other: StableModule,
    what: str,
    mine: Sequence[tuple[str, TensorType]],
    theirs: Sequence[tuple[str, TensorType]],
) -> list[int]:
    """For each of the module's the number of the other's: of the same name, where all have one, else in order."""
    if len(set(mine)) == len(mine) and set(mine) == set(theirs):
        return [theirs.index(one) for one in mine]
    if [kind for _, kind in mine] == [kind for _, kind in theirs]:
        return list(range(len(mine)))
    names, kinds = ({f"{name} {kind}" for name, kind in side} for side in (mine, theirs))
    lacking = sorted(names - kinds) + sorted(kinds - names)
    raise ModuleError(
        f"{module.path} and {other.path}: their {what}s do not go together by name or in order: "
        f"{listed(lacking)} on one side only. Expected the same {what}s."
    )
