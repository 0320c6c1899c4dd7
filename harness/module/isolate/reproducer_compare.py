"""Is each result as near to the expected one as rounding leaves it? Exit code 1 where it is not, 2 without results.

Part of a reproducer folder, beside `allowed.npy`, `expected0.npy` … and `out0.npy` …; needs numpy alone. `allowed.npy`
has a row for each result: the norm, and the largest element, that its error may have.
"""

import sys

import numpy as np


def main() -> int:
    """Compare, print, and say so by the exit code."""
    wrong = False
    for i, (norm_allowed, largest_allowed) in enumerate(np.load("allowed.npy")):
        try:
            found, expected = (np.load(f"{name}{i}.npy").astype(np.float64) for name in ("out", "expected"))
        except (OSError, TypeError, ValueError) as error:
            print(f"result {i}: {error}", file=sys.stderr)
            return 2
        if found.shape != expected.shape:
            print(f"result {i}: its shape is {found.shape}, expected {expected.shape}", file=sys.stderr)
            return 2
        with np.errstate(invalid="ignore"):
            apart = np.where(
                (found == expected) | (np.isnan(found) & np.isnan(expected)), 0.0, np.abs(found - expected)
            )
        apart[np.isnan(apart)] = np.inf
        norm, largest = float(np.linalg.norm(apart.ravel())), float(apart.max(initial=0.0))
        count = int(np.sum(apart > largest_allowed))
        print(f"result {i}: norm of the error {norm:.3g}, allowed {norm_allowed:.3g};", end=" ")
        print(f"largest element {largest:.3g}, allowed {largest_allowed:.3g};", end=" ")
        print(f"{count} of {apart.size} elements beyond it")
        wrong = wrong or norm > norm_allowed or largest > largest_allowed
    return 1 if wrong else 0


sys.exit(main())
