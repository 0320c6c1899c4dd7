"""How whole right runs of a network scatter: the deviations of runs of one start, pooled over the starts."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from harness.trace.format import Floats
from harness.trace.recording import Recording
from harness.verdict.rounding.whole import Ensemble

FEWEST_RUNS = 12
RATE = 0.001  # of right pairs that may be outside
_DIGITS = 3


def fit_ensembles(runs: Iterable[Recording]) -> list[Ensemble]:
    """The ensemble of each network that has enough whole runs, several of some start."""
    networks: dict[str, list[Recording]] = {}
    for run in runs:
        header = run.trace.header
        if header.netspec_hash is not None and header.init_sha256 is not None and _is_whole(run):
            networks.setdefault(header.netspec_hash, []).append(run)
    return [_fit(digest, found) for digest, found in sorted(networks.items()) if len(found) >= FEWEST_RUNS]


def epoch_means(run: Recording) -> Floats:
    """Shapes: (epochs,)."""
    trace = run.trace
    return np.array([trace.loss[trace.epoch == epoch].mean() for epoch in np.unique(trace.epoch)])


def _is_whole(run: Recording) -> bool:
    manifest, trace = run.manifest, run.trace
    epochs = len(np.unique(trace.epoch)) if trace.steps else 0
    tested = manifest is not None and manifest.test_correct is not None and bool(manifest.test_total)
    return tested and epochs == trace.header.config.get("epochs") and trace.steps == trace.header.planned_steps


def _fit(digest: str, runs: Sequence[Recording]) -> Ensemble:
    from scipy.stats import t

    header = runs[0].trace.header
    starts: dict[str, list[Recording]] = {}
    for run in runs:
        starts.setdefault(str(run.trace.header.init_sha256), []).append(run)
    epochs = _deviations(starts.values(), lambda run: np.log(epoch_means(run)))
    accuracy = _deviations(starts.values(), lambda run: np.array([_accuracy(run)]))
    freedom = len(runs) - len(starts)
    tail = RATE / (2 * (len(epochs) + 1))  # of each of these tests, on either side
    return Ensemble(
        network=header.netspec_name,
        netspec_hash=digest,
        config=header.config,
        runs=len(runs),
        starts=len(starts),
        epochs=[_short(x) for x in epochs],
        accuracy=_short(float(accuracy[0])),
        times=_short(math.sqrt(2) * float(t.ppf(1 - tail, freedom))),
        rate=RATE,
    )


def _deviations(starts: Iterable[Sequence[Recording]], of: Callable[[Recording], Floats]) -> Floats:
    """The standard deviation among runs of one start."""
    squares, freedom = [], 0
    for runs in starts:
        values = np.array([of(run) for run in runs])
        squares.append(np.sum((values - values.mean(axis=0)) ** 2, axis=0))
        freedom += len(runs) - 1
    deviations: Floats = np.sqrt(np.sum(squares, axis=0) / freedom)
    return deviations


def _accuracy(run: Recording) -> float:
    assert run.manifest is not None and run.manifest.test_correct is not None and run.manifest.test_total
    return 100 * run.manifest.test_correct / run.manifest.test_total


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
