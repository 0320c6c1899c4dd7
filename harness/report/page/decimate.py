"""Fewer points for drawing, never for judging: what the eye looks for in a curve stays."""

import numpy as np

from harness.trace.format import EARLY_STEPS, Floats, Ints


def decimate(values: Floats, points: int, exact: int = EARLY_STEPS) -> Ints:
    """The elements to draw, ascending: about `points` of them, or all when there are no more.

    Kept are the first `exact` ones, the last, everything that is not finite and, of each bucket of the others, the
    smallest and the largest, so that no peak is lost. Buckets grow with the step: curves are looked at from their
    beginning, on an even or on a logarithmic axis.

    Shapes: values (n,).
    """
    count = len(values)
    if count <= max(points, exact):
        return np.arange(count)
    buckets = max(1, (points - exact) // 2)
    finite = np.isfinite(values)
    rest = exact + np.flatnonzero(finite[exact:])
    bucket = (buckets * np.sqrt((rest - exact) / (count - exact))).astype(np.int64)
    order = np.lexsort((values[rest], bucket))  # by bucket, and in it by value
    first = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    last = np.append(first[1:], len(rest))[: len(first)] - 1
    extrema = rest[order[np.append(first, last)]]
    return np.unique(np.concatenate([np.arange(exact), extrema, np.flatnonzero(~finite), [0, count - 1]]))
