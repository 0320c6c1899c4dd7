"""The bounds of rounding, from the traces of right runs: the largest differences of their pairs, times a margin."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import HarnessError
from harness.trace.format import StepLine, Trace
from harness.trace.reader import read_trace
from harness.trace.recording import Recording
from harness.validation.rounding.lockstep_fit import RightLockstep, fit_lockstep, fit_near
from harness.validation.rounding.long_runs import LONG
from harness.validation.rounding.runs import IN_F64, STEPS, STRESSED
from harness.verdict.channels import (
    BY_TENSOR,
    LOSS,
    PARAM,
    STAT,
    UPDATE,
    WHOLE,
    WHOLE_PARAM,
    WHOLE_UPDATE,
    shared_channels,
)
from harness.verdict.compare import compare
from harness.verdict.rounding.against_f64 import F64Bounds, SideRuns, furthest
from harness.verdict.rounding.bounds import CLASSES, RoundingBounds, Table
from harness.verdict.rounding.drift import WINDOWS, drifts
from harness.verdict.rounding.excess import gradients_until
from harness.verdict.rounding.later import LaterBounds, kinds_apart
from harness.verdict.rounding.measure import STATISTICS, VECTORS, Apart, measure
from harness.verdict.rounding.whole import decade_of, epoch_bounds

MARGIN, LATER_MARGIN, F64_MARGIN, DEVICE = 4.0, 2.0, 2.0, 2.0
DEEP_FROM, CALM_UP_TO = 40, 3e-5
# Programs add norms up in f32, each in its own order; what is apart by less than that is not told apart.
_FINEST = 2e-6
_FINEST_DISTANCE = 3e-6
_DIGITS = 3

# (class, statistic, kind, step) -> network -> its largest difference
Largest = dict[tuple[str, str, str, int], dict[str, float]]


def fit_bounds(
    folder: Path, long_pairs: Sequence[tuple[Trace, Trace]], in_lockstep: Sequence[RightLockstep]
) -> RoundingBounds:
    """The bounds of the pairs in `folder`, laid out as `runs` leaves them. `long_pairs`: right free runs.

    `in_lockstep`: right lockstep runs.

    Raises: HarnessError when there is no pair of some class; TraceError.
    """
    largest: Largest = {}
    pairs = 0
    seeds: set[int] = set()
    for network, seed, a, b in right_pairs(folder):
        pairs += 1
        seeds.add(seed)
        for (name, apart), statistic in itertools.product(_classified(a, b), STATISTICS):
            of_networks = largest.setdefault((name, statistic, apart.kind, apart.step), {})
            of_networks[network] = max(of_networks.get(network, 0.0), getattr(apart, statistic))
    tables = {name: _table(name, largest) for name in CLASSES}
    networks = sorted({network for of_networks in largest.values() for network in of_networks})
    return RoundingBounds(
        margin=MARGIN,
        device=DEVICE,
        deep_from=DEEP_FROM,
        calm_up_to=CALM_UP_TO,
        tables=tables,
        later=fit_later(long_pairs, furthest_first(tables)),
        against_f64=fit_against_f64(folder),
        lockstep=fit_lockstep(in_lockstep),
        near=fit_near(in_lockstep),
        fitted_on={"pairs": pairs, "networks": networks, "seeds": sorted(seeds)},
        held_out=_held_out(largest, networks),
    )


def right_pairs(folder: Path) -> Iterator[tuple[str, int, Trace, Trace]]:
    """Network, seed and the two traces of every pair of variants in f32."""
    for start in sorted(folder.glob("*/[0-9]*")):
        for a, b in itertools.combinations(_variants(start), 2):
            yield start.parent.name, int(start.name), a, b


def _variants(start: Path) -> list[Trace]:
    paths = sorted(path for path in start.glob("*.jsonl") if not path.name.endswith(STRESSED))
    return [_with_whole_norms(read_trace(path)) for path in paths if path.name != IN_F64]


def fit_against_f64(folder: Path) -> F64Bounds:
    """How much further from f64 one side of a right pair is than the other, from either start.

    Raises: HarnessError when no pair was run from both and in f64.
    """
    ratios = [ratio for start in sorted(folder.glob("*/*")) for ratio in _ratios(start)]
    if not ratios:
        raise HarnessError(f"{folder}: no pair has a run in f64 from either start. Run more networks.")
    return F64Bounds(finest=_FINEST_DISTANCE, further=_short(F64_MARGIN * max(ratios)))


def _ratios(start: Path) -> Iterator[float]:
    """The largest of each pair that was run from both starts."""
    stressed = {path.name.removesuffix(STRESSED): read_trace(path) for path in sorted(start.glob(f"*{STRESSED}"))}
    drawn = {name: path for name in stressed if (path := start / f"{name}.jsonl").exists()}
    fine = IN_F64.removesuffix(".jsonl")
    if fine not in drawn:
        return
    wide = read_trace(drawn.pop(fine))
    runs = [SideRuns((read_trace(drawn[name]), wide), (stressed[name], stressed[fine])) for name in drawn]
    for a, b in itertools.combinations(runs, 2):
        if (found := furthest(a, b, _FINEST_DISTANCE)) is not None:
            yield found.ratio


def _with_whole_norms(trace: Trace) -> Trace:
    """The trace with the norms of everything together, as cells have them."""
    lines: dict[int, StepLine] = {}
    for step, line in trace.lines.items():
        norms = {whole: getattr(line, parts) for whole, parts, _ in WHOLE}
        added = {whole: math.hypot(*map(float, parts.values())) for whole, parts in norms.items() if parts}
        lines[step] = msgspec.structs.replace(line, **added)
    return replace(trace, lines=lines)


def _classified(a: Trace, b: Trace) -> list[tuple[str, Apart]]:
    measured = list(measure(shared_channels(a, b, range(1, STEPS + 1))))
    until = gradients_until(measured)
    if 1 not in until or a.header.params is None:
        raise HarnessError(f"{a.path}: no gradients at step 1. Remove the file and run again.")
    depth = "deep" if len(a.header.params) >= DEEP_FROM else "shallow"
    return [(f"{depth}, {'calm' if until[apart.step] <= CALM_UP_TO else 'rough'}", apart) for apart in measured]


def _table(name: str, largest: Largest) -> dict[str, dict[str, list[float]]]:
    """Bounds never fall from one step to the next: a unit may flip at any."""
    table: dict[str, dict[str, list[float]]] = {statistic: {} for statistic in STATISTICS}
    kinds = {kind for of, _, kind, _ in largest if of == name}
    if not kinds:
        raise HarnessError(f"no pair is {name}; expected some of each class. Run more networks.")
    for statistic, kind in itertools.product(STATISTICS, _in_order(kinds)):
        reached = [max(largest.get((name, statistic, kind, t), {"": 0.0}).values()) for t in range(1, STEPS + 1)]
        bounds = np.maximum.accumulate(np.maximum(MARGIN * np.array(reached), _FINEST))
        table[statistic][kind] = [_short(bound) for bound in bounds]
    for param, update in ((PARAM, UPDATE), (WHOLE_PARAM, WHOLE_UPDATE)):
        _at_least_the_update(table["largest"], param, update)
    # Statistics are of values on the way to the loss, and few of the networks have them.
    for of_kind in table.values():
        of_loss, of_statistics = of_kind["loss"], of_kind.get(STAT, [_FINEST] * STEPS)
        of_kind[STAT] = [max(pair) for pair in zip(of_loss, of_statistics, strict=True)]
    return table


def _at_least_the_update(largest: dict[str, list[float]], param: str, update: str) -> None:
    """A parameter that starts at zero is its first update, and as far apart."""
    if param in largest and update in largest:
        later = [max(pair) for pair in zip(largest[param][1:], largest[update], strict=False)]
        largest[param] = [largest[param][0], *later]


def _in_order(kinds: Iterable[str]) -> list[str]:
    order = ["loss", *(kind.prefix for kind in BY_TENSOR), *(name for _, _, name in WHOLE), *VECTORS]
    found = set(kinds)
    return [kind for kind in order if kind in found]


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _held_out(largest: Largest, networks: Sequence[str]) -> dict[str, object]:
    """Networks whose pairs are beyond the bounds of the same class that are fitted to all others, and by how much."""
    beyond: dict[str, float] = {}
    for by_network in largest.values():
        for network, reached in by_network.items():
            others = [value for name, value in by_network.items() if name != network]
            if others and reached > (bound := max(MARGIN * max(others), _FINEST)):
                beyond[network] = max(beyond.get(network, 0.0), reached / bound)
    inside = len(networks) - len(beyond)
    return {"inside": inside, "networks": len(networks), "beyond": {n: _short(x) for n, x in sorted(beyond.items())}}


def furthest_first(tables: Mapping[str, Table]) -> dict[str, float]:
    """By kind, how far right pairs of any class are apart at the last of the first steps, in the typical tensor."""
    found: dict[str, float] = {}
    for table in tables.values():
        for kind, bounds in table["typical"].items():
            found[kind] = max(found.get(kind, 0.0), bounds[-1] / MARGIN)
    return found


def pairs_of_one_start(traces: Sequence[Trace]) -> list[tuple[Trace, Trace]]:
    """Every two of a network that start from the same parameters."""
    return [
        (a, b)
        for a, b in itertools.combinations(traces, 2)
        if (a.header.netspec_name, a.header.init_sha256) == (b.header.netspec_name, b.header.init_sha256)
    ]


def right_long_pairs(folder: Path) -> Iterator[tuple[Trace, Trace]]:
    """Every two long runs of a network in a folder."""
    for runs in sorted(folder.glob(f"*/{LONG}")):
        yield from itertools.combinations([read_trace(path) for path in sorted(runs.glob("*.jsonl"))], 2)


def fit_later(pairs: Sequence[tuple[Trace, Trace]], first: Mapping[str, float]) -> LaterBounds:
    """What right free runs keep past their first steps. `first`: how far others are apart by then, by kind.

    Raises: HarnessError when none is long enough.
    """
    means: dict[int, float] = {}
    reached: dict[str, dict[int, float]] = {}
    any_step, half = dict(first), dict(first)
    for a, b in pairs:
        n = min(a.steps, b.steps)
        for drift in drifts(a.loss[:n], b.loss[:n], STEPS + 1):
            by_age = reached.setdefault(drift.kind, {})
            by_age[drift.age] = max(by_age.get(drift.age, 0.0), drift.value)
        for mean, apart in _epoch_ratios(a, b):
            means[decade_of(mean)] = max(means.get(decade_of(mean), 0.0), apart)
        steps = sorted(t for t in a.lines.keys() & b.lines.keys() if t > STEPS)
        for kind in kinds_apart(shared_channels(a, b, steps)) if steps else ():
            any_step[kind.kind] = max(any_step.get(kind.kind, 0.0), kind.any_step)
            if not math.isnan(kind.half):
                half[kind.kind] = max(half.get(kind.kind, 0.0), kind.half)
    if not (means and reached.keys() == {"jump", "spike", "correlation", *map(str, WINDOWS)}):
        raise HarnessError("no pair of long runs to fit later steps on. Name two whole runs with --long.")
    return LaterBounds(
        margin=LATER_MARGIN,
        jump=_short(LATER_MARGIN * max(reached["jump"].values())),
        spike=_short(LATER_MARGIN * max(reached["spike"].values())),
        correlation=_short(LATER_MARGIN * max(reached["correlation"].values())),
        windows={str(length): _by_age(reached[str(length)], first.get(LOSS, 0.0)) for length in WINDOWS},
        epoch_mean=[_short(bound) for bound in epoch_bounds(means, first.get(LOSS, 0.0), LATER_MARGIN)],
        ensembles=[],
        any_step=_telling(any_step),
        half=_telling(half),
        fitted_on={"runs": sorted({f"{a.header.netspec_name}, {min(a.steps, b.steps)} steps" for a, b in pairs})},
    )


def _by_age(reached: Mapping[int, float], first: float) -> list[float]:
    """Bounds never fall from one age to the next: rounding grows."""
    furthest = np.maximum.accumulate([first, *(reached.get(age, 0.0) for age in range(max(reached) + 1))])
    return [_short(LATER_MARGIN * bound) for bound in furthest[1:]]


def _epoch_ratios(a: Trace, b: Trace) -> list[tuple[float, float]]:
    """The larger mean loss of each complete epoch, and how far both are apart."""
    numbers = compare(Recording(a, None), Recording(b, None)).numbers
    means = [] if numbers is None else [mean for mean in numbers.epochs if mean.complete]
    return [(max(mean.a, mean.b), abs(math.log(mean.a / mean.b))) for mean in means]


def _telling(found: Mapping[str, float]) -> dict[str, float]:
    """A relative difference of norms is at most 1, which a bound of 1 would not bound."""
    kinds = _in_order(kind for kind in found if kind != "loss" and "projection" not in kind and kind not in VECTORS)
    return {kind: _short(LATER_MARGIN * found[kind]) for kind in kinds if LATER_MARGIN * found[kind] < 1}
