"""The columns of a log that its reader has to be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogKeys:
    """Names of columns, and of the run where a log has several. None: found by what columns are usually called."""

    step: str | None = None
    loss: str | None = None
    lr: str | None = None
    norm: str | None = None
    run: str | None = None
