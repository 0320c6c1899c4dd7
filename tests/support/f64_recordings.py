"""Runs in f64 that nobody ran, with norms of which any may be changed."""

from typing import Any

from harness.trace.recording import Recording
from tests.support.sample_traces import recording

LOSSES = [2.0, 1.5, 1.25]
NORMS = {
    "grad_norms": {"w": [1.0, 0.5, 0.25], "b": [0.1, 0.1, 0.1], "noise": [1e-17, 2e-17, 3e-17]},
    "update_norms": {"w": [0.3, 0.2, 0.1], "b": [0.01, 0.02, 0.03], "noise": [1e-9, 2e-9, 1e-9]},
}
Changes = dict[tuple[str, str, int], float]


def f64_side(losses: list[float] = LOSSES, changes: Changes | None = None, **keys: Any) -> Recording:
    """A side in f64; `changes` scale the norm of (kind, parameter, step)."""
    # Decimals of few digits would be taken for numbers that were printed with so many.
    norms = {
        kind: {name: [x * (1 + 2.0**-40) for x in column] for name, column in of.items()} for kind, of in NORMS.items()
    }
    for (kind, name, step), factor in (changes or {}).items():
        norms[kind][name][step - 1] *= factor
    return recording(losses, norms=norms, dtype="f64", **keys)
