"""A module held against another one: the same inputs, results by name or in order."""

from collections.abc import Sequence

import numpy as np

from harness.errors import ModuleError
from harness.module.load import StableModule
from harness.module.measure import difference, smallest_bound
from harness.module.signature import TensorType
from harness.module.task import Array
from harness.module.tie.explanations import TensorPair, explanations
from harness.module.tie.runs import NotRunError, TieRuns
from harness.module.tie.slots import plain
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
    try:
        mine = [_updates(module, results_, arguments) for results_ in runs.shaken(module, arguments)]
        theirs = [_updates(other, results_, given) for results_ in runs.shaken(other, given)]
        noisy = runs.noisy(module, arguments)
        single = runs.once(f"{module.path} in f32", module.text, module.function, arguments)
        again = runs.once(f"{other.path} in f32", other.text, other.function, given)
    except NotRunError as error:
        return Tie(str(module.path), str(other.path), failure=str(error))
    theirs = [[results_[number] for number in results] for results_ in theirs]
    sizes = scales(mine[0], theirs[0])
    rows, pairs = [], []
    for i, result in enumerate(module.results):
        moved = sum(max(distance(member[i], side[0][i]) for member in side[1:]) for side in (mine, theirs))
        allowed = F64_ROUNDING + SLACK * moved / sizes[i]
        if result.argument is not None:
            old = np.asarray(arguments[result.argument], np.float64).ravel()
            allowed += float(SLACK * 2.0**-52 * np.linalg.norm(old)) / sizes[i]
        off = distance(mine[0][i], theirs[0][i]) / sizes[i]
        spread = max(difference(member[i], noisy[0][i]).norm for member in noisy[1:])
        bound = max(spread, smallest_bound(result.type, noisy[0][i]).norm)
        apart = difference(single[i], again[results[i]]).norm
        ratio = apart / bound if bound else 0.0 if not apart else float("inf")
        source = "result" if result.argument is None else "new value - old value"
        rows.append(TiedTensor(result.name, source, off, allowed, ratio))
        if result.argument is not None and result.type.is_float and result.type.shape:
            pairs.append(
                TensorPair(
                    result.name,
                    result.type.shape,
                    mine[0][i].ravel(),
                    theirs[0][i].ravel(),
                    np.asarray(arguments[result.argument], np.float64).ravel(),
                    2.0 * allowed * sizes[i],
                )
            )
    told = explanations(pairs, {"one": 1.0, "two": 2.0})[0] if any(row.word == "apart" for row in rows) else []
    return Tie(str(module.path), str(other.path), tuple(rows), tuple(told))


def _updates(module: StableModule, results: Sequence[Array], arguments: Sequence[Array]) -> list[Array]:
    """Results in f64, new values less the old ones."""
    return [
        np.asarray(value, np.float64)
        - (0.0 if result.argument is None else np.asarray(arguments[result.argument], np.float64))
        for value, result in zip(results, module.results, strict=True)
    ]


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
        f"{', '.join(lacking[:4])} on one side only. Expected the same {what}s."
    )
