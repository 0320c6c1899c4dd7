"""Cross-backend training-trace verifier."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__version__ = "0.1.0"


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
