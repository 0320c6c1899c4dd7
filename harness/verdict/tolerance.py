"""Closeness of two numbers: one rule for every mode; a mode is only its two tolerances."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.trace.format import Floats, Ints

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mode:
    """A named pair of tolerances. Units: atol as the values compared, rtol a fraction."""

    name: str
    atol: float
    rtol: float


# Strictest first: what passes one passes every later one.
MODES = {
    mode.name: mode
    for mode in (
        Mode("bitwise", 0.0, 0.0),
        Mode("strict", 1e-4, 1e-3),
        Mode("cross-gpu", 1e-3, 1e-2),
        Mode("cross-comp", 1e-2, 1e-1),
    )
}
DEFAULT_MODE = MODES["cross-comp"]


@dataclass(frozen=True)
class Worst:
    """The element that needs the largest tolerance. `allowed` is what the mode allows there."""

    step: int
    a: float
    b: float
    delta: float
    allowed: float


@dataclass(frozen=True)
class Smallest:
    """The smallest tolerances under which every judged element is close; infinite when none is.

    `atol`: with rtol 0. `multiple`: of the mode's atol and rtol together. `mode`: the strictest standard mode, or None.
    """

    atol: float
    multiple: float
    mode: str | None
    worst: Worst


def difference(a: Floats, b: Floats) -> Floats:
    """|a - b|, and NaN where either is not finite: infinity minus infinity is no agreement.

    Shapes: a, b and the result (n,).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.abs(a - b)
    delta[~(np.isfinite(a) & np.isfinite(b))] = np.nan
    return delta


def allowance(a: Floats, b: Floats, atol: float, rtol: float) -> Floats:
    """max(rtol * max(|a|, |b|), atol): either tolerance alone is enough, they do not add up.

    Shapes: a, b and the result (n,).
    """
    with np.errstate(invalid="ignore"):
        return np.maximum(rtol * np.maximum(np.abs(a), np.abs(b)), atol)


def is_close(a: Floats, b: Floats, atol: float, rtol: float) -> Bools:
    """|a - b| <= max(rtol * max(|a|, |b|), atol), element by element; never where either is not finite.

    Shapes: a, b and the result (n,).
    """
    close: Bools = difference(a, b) <= allowance(a, b, atol, rtol)  # false for NaN
    return close


def find_smallest(a: Floats, b: Floats, mode: Mode, steps: Ints | None = None) -> Smallest | None:
    """The smallest tolerances under which all of `a` and `b` would be close; None when there is nothing to compare.

    Shapes: a, b, steps (n,); without `steps`, element k belongs to step k + 1.
    """
    if len(a) == 0:
        return None
    delta = difference(a, b)
    allowed = allowance(a, b, mode.atol, mode.rtol)
    needed = np.where(np.isnan(delta), np.inf, delta)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.divide(needed, allowed, out=np.where(needed > 0, np.inf, 0.0), where=allowed > 0)
    ratio[np.isnan(ratio)] = np.inf
    at = int(np.argmax(ratio if ratio.max() < np.inf else needed))
    step = at + 1 if steps is None else int(steps[at])
    worst = Worst(step, float(a[at]), float(b[at]), float(delta[at]), float(allowed[at]))
    passing = [m.name for m in MODES.values() if is_close(a, b, m.atol, m.rtol).all()]
    return Smallest(float(needed.max()), float(ratio.max()), passing[0] if passing else None, worst)


def first_false(values: Bools) -> int | None:
    """Step of the first element that is false. Shapes: values (n,)."""
    return None if values.all() else int(np.argmin(values)) + 1
