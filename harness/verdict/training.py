"""The runs as wholes: past the horizon steps cannot be compared any more, mean losses and the accuracy can."""

import math
from dataclasses import dataclass

from harness.trace.recording import Recording
from harness.verdict.compare import Comparison
from harness.verdict.epochs import EpochMean
from harness.verdict.evidence import Answer, PairFacts, failed, passed, unreached
from harness.verdict.rounding.bounds import fitted_bounds
from harness.verdict.rounding.whole import Ensemble, decade_of, share

ACCURACY_POINTS = 0.5  # of 100
# Standard deviations by which the accuracies of two short runs may differ, each as if it had drawn its test images for
# itself. Copies of the MLP and the CNN that start one ulp apart differ by at most two thirds of one.
CHANCE_DEVIATIONS = 4.0

# How many times the errors of all test images the first of them may have. The first 2,560 to 5,120 of MNIST have 1.24
# to 1.46 times as many, by an MLP after 20 steps and after five epochs alike.
UNEQUALLY_HARD = 2.0


def check_epoch_means(pair: PairFacts) -> Answer | None:
    """Past the window rounding grows to the size of the loss; there the mean loss of every complete epoch judges.

    Right runs that differ by rounding alone are themselves some tens of per cent apart in some epochs.
    """
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None or not (numbers.compared or numbers.epochs):
        return None
    means = [mean for mean in numbers.epochs if mean.complete and (mean.last is None or mean.last > numbers.judged)]
    if numbers.compared <= numbers.judged and not means:
        return unreached("no step lies beyond the judged ones.")
    if not means:
        return unreached("no epoch beyond the judged steps is complete.")
    ensemble = _ensemble(comparison)
    for mean in means:
        larger = max(abs(mean.a), abs(mean.b))
        rtol = share(_allowed(mean, ensemble))
        if not abs(mean.a - mean.b) <= max(rtol * larger, comparison.resolution):
            apart = f"{_percent(mean):.1f} % apart, allowed are {100 * rtol:.2g} %{_measured(ensemble)}"
            line = f"the mean losses of epoch {mean.epoch} are {mean.a:.4g} and {mean.b:.4g}, {apart}."
            return failed(line, f"epoch {mean.epoch}", "training")
    worst = max(means, key=_percent)
    line = f"the means of {len(means)} complete epochs are at most {_percent(worst):.1f} % apart (epoch {worst.epoch})"
    return passed(f"{line}{_measured(ensemble)}.")


def _ensemble(comparison: Comparison) -> Ensemble | None:
    """The one that both sides are of."""
    headers = comparison.a.trace.header, comparison.b.trace.header
    return next((one for one in fitted_bounds().later.ensembles if one.is_of(headers)), None)


def _allowed(mean: EpochMean, ensemble: Ensemble | None) -> float:
    measured = None if ensemble is None else ensemble.epoch_mean(mean.epoch)
    if measured is not None:
        return measured
    return fitted_bounds().later.epoch_mean[decade_of(max(abs(mean.a), abs(mean.b)))]


def _measured(ensemble: Ensemble | None) -> str:
    return "" if ensemble is None else f", by {ensemble.runs} whole right runs"


def check_accuracy(pair: PairFacts) -> Answer | None:
    """Final test accuracies must be close: of full runs to half a point, of shorter ones to what chance allows."""
    comparison, numbers = pair.comparison, pair.comparison.numbers
    if numbers is None:
        return None
    if not numbers.compared == comparison.a.trace.steps == comparison.b.trace.steps:
        return unreached("not every step of both sides is compared.")
    accuracies = [_accuracy(side) for side in (comparison.a, comparison.b)]
    missing = [name for name, value in zip("AB", accuracies, strict=True) if value is None]
    a, b = accuracies
    if a is None or b is None:
        return unreached(f"no test accuracy is known of {' and '.join(missing)}.")
    points = round(abs(a - b) * 100, 9)  # 98.5 and 98.0 are 0.5 apart, whatever their binary fractions are
    line = f"test accuracies {a * 100:.2f} % and {b * 100:.2f} % are {points:.2f} points apart"
    common = _of_common_images(comparison.a, comparison.b)
    if common is not None:
        a, b = common.closest
        points = round(abs(a - b) * 100, 9)
        line += f", of the first {common.images} images at least {points:.2f}"
    allowed, why = _whole(comparison) if numbers.full else _chance(comparison, a, b)
    if points <= allowed:
        return passed(f"{line}{f', {allowed:.3g} allowed{why}' if why else ''}.")
    return failed(f"{line}, allowed are {allowed:.3g}{why}.", "end of the run", "training")


@dataclass(frozen=True)
class _Common:
    """How many images both sides tested, and two accuracies of them that are as close as their counts allow."""

    images: int
    closest: tuple[float, float]


def _of_common_images(a: Recording, b: Recording) -> _Common | None:
    """What is known of the images that both sides tested; None where it is all of them, or not known how many.

    A short run tests the first images only, and images are not equally hard. Of the longer test only the sum is known:
    those right among the first are at least all that are right less all the others, and at most all that are right;
    and their share of errors is taken to be that of all within a factor.
    """
    counts = [(m.test_correct, m.test_total) for m in (a.manifest, b.manifest) if m is not None]
    if len(counts) < 2 or any(correct is None or not total for correct, total in counts):
        return None
    (few_right, few), (right, many) = sorted(((c or 0, t or 0) for c, t in counts), key=lambda count: count[1])
    if few == many:
        return None
    wrong = (many - right) / many * few
    least = max(right - (many - few), few - wrong * UNEQUALLY_HARD, 0)
    most = min(right, few - wrong / UNEQUALLY_HARD)
    return _Common(few, (few_right / few, min(max(few_right, least), most) / few))


def _whole(comparison: Comparison) -> tuple[float, str]:
    ensemble = _ensemble(comparison)
    return (ACCURACY_POINTS, "") if ensemble is None else (ensemble.points, _measured(ensemble))


def _chance(comparison: Comparison, a: float, b: float) -> tuple[float, str]:
    """The points that chance allows two accuracies with their numbers of test images, and why.

    Before the end of a training the accuracy still moves, and a run that ends early tests on few images: of 128 right
    runs classify one more or less. A classifier that is right with probability p scatters by p (1 - p) / n; p is that
    of both sides together with two rights and two wrongs added (Agresti and Coull), since of few images all may be
    right.
    """
    images = [_images(side) for side in (comparison.a, comparison.b)]
    share = (a * images[0] + b * images[1] + 2) / (sum(images) + 4)
    deviation = math.sqrt(share * (1 - share) * sum(1 / n for n in images))
    tested = " and ".join(str(n) for n in sorted(set(images)))
    why = f": {CHANCE_DEVIATIONS:g} standard deviations of chance with {tested} test images"
    return max(ACCURACY_POINTS, 100 * CHANCE_DEVIATIONS * deviation), why


def _images(side: Recording) -> int:
    """The test images behind an accuracy; one batch where nobody tells, since no program tests on less."""
    total = None if side.manifest is None else side.manifest.test_total
    return max(1, int(total or side.trace.header.config.get("batch_size") or 1))


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
