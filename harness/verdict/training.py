"""The runs as wholes: past the horizon steps cannot be compared any more, mean losses and the accuracy can."""

import math

from harness.trace.recording import Recording
from harness.verdict.compare import EpochMean
from harness.verdict.evidence import Answer, PairFacts, failed, passed, unreached
from harness.verdict.rounding.bounds import fitted_bounds

ACCURACY_POINTS = 0.5  # of 100


def check_epoch_means(pair: PairFacts) -> Answer | None:
    """Past the window rounding grows to the size of the loss; there the mean loss of every complete epoch judges.

    Right runs that differ by rounding alone are themselves some tens of per cent apart in some epochs.
    """
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or numbers.compared == 0:
        return None
    means = [mean for mean in numbers.epochs if mean.complete and mean.last > numbers.judged]
    if numbers.compared <= numbers.judged:
        return unreached("no step lies beyond the judged ones.")
    if not means:
        return unreached("no epoch beyond the judged steps is complete.")
    rtol = 1 - math.exp(-fitted_bounds().later.epoch_mean)
    for mean in means:
        allowed = max(rtol * max(abs(mean.a), abs(mean.b)), comparison.resolution)
        if not abs(mean.a - mean.b) <= allowed:
            apart = f"{_percent(mean):.1f} % apart, allowed are {100 * rtol:.0f} %"
            line = f"the mean losses of epoch {mean.epoch} are {mean.a:.4g} and {mean.b:.4g}, {apart}."
            return failed(line, f"epoch {mean.epoch}", "training")
    worst = max(means, key=_percent)
    line = f"the means of {len(means)} complete epochs are at most {_percent(worst):.1f} % apart (epoch {worst.epoch})."
    return passed(line)


def check_accuracy(pair: PairFacts) -> Answer | None:
    """Final test accuracies of two full runs must be close."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None:
        return None
    if not numbers.full:
        return unreached("the configured epochs are not all there.")
    accuracies = [_accuracy(side) for side in (comparison.a, comparison.b)]
    missing = [name for name, value in zip("AB", accuracies, strict=True) if value is None]
    a, b = accuracies
    if a is None or b is None:
        return unreached(f"no test accuracy is known of {' and '.join(missing)}.")
    points = round(abs(a - b) * 100, 9)  # 98.5 and 98.0 are 0.5 apart, whatever their binary fractions are
    line = f"test accuracies {a * 100:.2f} % and {b * 100:.2f} % are {points:.2f} points apart"
    if points <= ACCURACY_POINTS:
        return passed(f"{line}.")
    return failed(f"{line}, allowed are {ACCURACY_POINTS}.", "end of the run", "training")


def _percent(mean: EpochMean) -> float:
    larger = max(abs(mean.a), abs(mean.b))
    return 100 * abs(mean.a - mean.b) / larger if larger > 0 else 0.0


def _accuracy(side: Recording) -> float | None:
    manifest = side.manifest
    if manifest is None:
        return None
    if manifest.test_correct is not None and manifest.test_total:
        return manifest.test_correct / manifest.test_total
    return manifest.test_accuracy
