"""The growth of one ulp, and the step from which differences no longer tell how small their cause was."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.trace.format import Floats


@dataclass(frozen=True)
class Growth:
    """`rate`: by what factor a small difference of the loss grows in a step; None when it does not grow.

    `horizon`: the last step that is judged one by one; None when rounding never gets so far.
    `observed`: the ensemble got there itself; otherwise the horizon is extrapolated.
    `ceiling`: the relative difference of the loss that ends it.
    """

    rate: float | None
    horizon: int | None
    observed: bool
    ceiling: float


def measure_growth(reference: Floats, perturbed: Sequence[Floats], rounded: Floats) -> Growth:
    """Growth and horizon, from losses.

    Rounding that has grown as far as a perturbation a thousand times larger has got in the second half of its run, or
    to the loss's own changes from step to step, has forgotten its cause: that is the ceiling. The horizon is the last
    step before the ensemble's spread reaches it. The rate is the slope of the logarithm of that spread until then, by
    least squares. Where it does not get there, the runs perturbed far give the rate, on their way to the ceiling, and
    the horizon is extrapolated from the ensemble's last step.

    Shapes: reference (long,), each of perturbed (long,); rounded (steps,), the ensemble's spread of the loss.
    """
    apart = np.abs(np.array(perturbed) - reference) / np.abs(reference)
    changes = np.abs(np.diff(reference)) / np.abs(reference[:-1])
    ceiling = float(min(np.median(apart[:, len(reference) // 2 :]), np.median(changes)))
    reached = np.flatnonzero(rounded >= ceiling)
    if len(reached):
        return Growth(_slope(rounded[None], ceiling), max(1, int(reached[0])), True, ceiling)
    rate = _slope(apart, ceiling)
    if rate is None:
        return Growth(None, None, False, ceiling)
    more = np.log(ceiling / rounded.max()) / np.log(rate)
    return Growth(rate, len(rounded) + int(more), False, ceiling)


def _slope(apart: Floats, ceiling: float) -> float | None:
    """The common factor a step of all runs until they reach the ceiling, each from where it started."""
    numerator = denominator = 0.0
    for run in apart:
        beyond = np.flatnonzero(run >= ceiling)
        end = int(beyond[0]) + 1 if len(beyond) else len(run)
        steps = np.flatnonzero(run[:end] > 0)
        if len(steps) < 2:
            continue
        x, y = steps - steps.mean(), np.log(run[steps])
        numerator += float(x @ (y - y.mean()))
        denominator += float(x @ x)
    slope = numerator / denominator if denominator else 0.0
    return float(np.exp(slope)) if slope > 0 else None
