"""The resolution that numbers were printed with, found in the numbers themselves."""

from decimal import Decimal
from functools import lru_cache

import numpy as np

from harness.trace.format import Floats

# Numbers that were printed coarsely: so many different ones; rates of three digits to six.
_FEWEST_VALUES, _FEWEST_DIGITS, _MOST_RATE_DIGITS = 4, 3, 6
MOST_DIGITS = 12  # with more, a double of ordinary size is a decimal by chance


def find_resolution(values: Floats) -> float | None:
    """The resolution that values were printed with: 1e-6 for decimals of six digits; None if no coarser than float32.

    Values that are all exact float32 lost nothing. Otherwise they are decimals of d digits when each is the double
    nearest to a multiple of 10**-d, and coarser than float32 when that step exceeds float32's at the median value.

    Shapes: values (n,).
    """
    values = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        if len(values) == 0 or (values == values.astype(np.float32)).all():
            return None
    for digits in range(MOST_DIGITS + 1):
        # A few values reject most digits; dividing the rounded integer is how a decimal is read, so equality is exact.
        if _are_decimals(values[:32], digits) and _are_decimals(values, digits):
            step = float(f"1e-{digits}")
            with np.errstate(over="ignore", invalid="ignore"):
                return step if step > np.spacing(np.float32(np.median(np.abs(values)))) else None
    return None


def find_rate_resolution(values: Floats) -> float:
    """How far a rate may be from the printed one, relatively; 0 when they were printed to more than six digits.

    Rates that were printed with d significant digits are off by half a unit of the last. A few rates, and those that
    need no digit more than others, are such decimals by chance: there have to be several, of which some need all d.

    Shapes: values (n,).
    """
    distinct = np.unique(values[np.isfinite(values) & (values > 0)])
    if len(distinct) < _FEWEST_VALUES:
        return 0.0
    digits = max(_significant_digits(value) for value in distinct.tolist())
    return 0.5 * 10.0 ** (1 - digits) if _FEWEST_DIGITS <= digits <= _MOST_RATE_DIGITS else 0.0


def printed_spacing(values: Floats, alike: Floats | None = None) -> Floats:
    """The distance of each value from the next one that would have been printed; 0 where they were printed in full.

    Values were printed to so many decimals, or to so many significant digits: whichever most of them need in full.
    There have to be several, and one that needs more digits than a coarse printer has shows that they were not.

    `alike`: values of the same printer, which tell where these are too few.

    Shapes: values and the result (n,); alike (m,).
    """
    none = np.zeros(values.shape)
    distinct = _distinct(values)
    if len(distinct) < _FEWEST_VALUES and alike is not None:
        distinct = _distinct(alike)
    with np.errstate(over="ignore"):
        if len(distinct) < _FEWEST_VALUES or (distinct == distinct.astype(np.float32)).all():
            return none
    printed = _printed_digits(distinct.tobytes())
    if printed is None:
        return none
    significant, places = printed
    if significant is None:
        return none + 10.0**-places
    with np.errstate(all="ignore"):
        spacing = 10.0 ** (np.floor(np.log10(np.abs(values))) + 1 - significant)
    return np.where(np.isfinite(values) & (values != 0), spacing, 0.0)


@lru_cache(8)  # a search compares one trace with a hundred others, step by step
def _printed_digits(distinct: bytes) -> tuple[int | None, int] | None:
    """Significant digits, None where it is rather decimals, and decimals of a coarse printer; None for another one.

    Shapes: distinct (n,), the bytes of doubles.
    """
    needed = []
    for value in np.frombuffer(distinct).tolist():
        digits, decimals = _digits_and_decimals(value)
        if digits > MOST_DIGITS:
            return None
        needed.append((digits, decimals))
    significant, places = (np.array(column) for column in zip(*needed, strict=True))
    fixed = (places == places.max()).mean() >= (significant == significant.max()).mean()
    return None if fixed else int(significant.max()), int(places.max())


def _distinct(values: Floats) -> Floats:
    return np.unique(values[np.isfinite(values) & (values != 0)])


def _digits_and_decimals(value: float) -> tuple[int, int]:
    """Significant digits of the shortest decimal that is read as this number, and those behind its point."""
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    return len(digits), max(0, -int(exponent))


def _significant_digits(value: float) -> int:
    """How many digits the shortest decimal has that is read as this number."""
    return _digits_and_decimals(value)[0]


def _are_decimals(values: Floats, digits: int) -> bool:
    scale = 10.0**digits
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((np.rint(values * scale) / scale == values).all())
