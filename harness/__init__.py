"""Cross-backend training-trace verifier."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from harness import errors as errors
    from harness.api import VerifiedNetwork as VerifiedNetwork
    from harness.api import diff as diff
    from harness.api import verify as verify
    from harness.report.trace_comparison import TraceComparison as TraceComparison
    from harness.run.request import RunRequest as RunRequest
    from harness.run.weights import TorchWeights as TorchWeights
    from harness.run.weights import Weights as Weights
    from harness.trace.writer import TraceWriter as TraceWriter

__version__ = "0.1.0"

# What is imported when it is first used, so that `import harness` costs nothing.
_PLACES = {
    "TraceComparison": "harness.report.trace_comparison",
    "VerifiedNetwork": "harness.api",
    "verify": "harness.api",
    "RunRequest": "harness.run.request",
    "TorchWeights": "harness.run.weights",
    "TraceWriter": "harness.trace.writer",
    "Weights": "harness.run.weights",
}


def __getattr__(name: str) -> Any:
    if name in ("diff", "errors"):
        return import_module(f"harness.{name}")  # the first is that of `python -m harness.diff`, which can be called
    if name not in _PLACES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "diff", "errors"})


def read_trace(path: str | os.PathLike[str], *, allow_truncated: bool = False) -> "pandas.DataFrame":
    """A trace as a DataFrame, one row a step, with `step` as its index. Needs the extra `pandas`.

    Columns: epoch, loss, lr, and the optional channels that the trace has, those by name as
    `grad_norms.conv1.w`; NaN or None where a step lacks one. `attrs["header"]` is the header as a dict,
    `attrs["manifest"]` the manifest where one lies beside the trace.
    `allow_truncated`: the prefix of a killed run is fine.

    Raises: HarnessError.
    """
    from harness.trace.frame import read_frame

    return read_frame(path, allow_truncated=allow_truncated)
