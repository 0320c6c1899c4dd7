"""Recordings with norms and projections of three tensors, of which any number can be moved by any factor."""

from dataclasses import replace

import msgspec
import numpy as np

from harness.trace.recording import Recording
from tests.support.sample_traces import recording

FIRST = 2.3456789012345  # with all its digits: of few ones it would be taken for printed coarsely
LOSSES = [FIRST, 2.25, 2.125, 2.0]
SIZES = {"w": 1.0, "b": 0.1, "v": 0.5}
KEYS = ("grad_norms", "update_norms", "param_norms", "stat_norms", "grad_projections", "update_projections")


def side(changes: dict[tuple[str, str, int], float] | None = None, **keys: object) -> Recording:
    """A run of which (key, tensor, step) is times a factor. Its numbers need all their digits."""
    rng = np.random.default_rng(7)
    norms = {key: {t: [size * (1 + rng.random()) for _ in LOSSES] for t, size in SIZES.items()} for key in KEYS}
    for (key, tensor, step), factor in (changes or {}).items():
        norms[key][tensor][step - 1] *= factor
    return recording(LOSSES, norms=norms, dtype="f32", backend="cpu", **keys)


def wide(run: Recording) -> Recording:
    """The same numbers as if they had come from f64."""
    header = msgspec.structs.replace(run.trace.header, dtype="f64")
    return replace(run, trace=replace(run.trace, header=header))
