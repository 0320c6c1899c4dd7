"""Night after night: one row a pair, kept in a Parquet file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HistoryRow:
    """One pair of one night. `model`: with what is off its default; `pair`: `phase2-cpu vs phase3-cpu`.

    Units: differences in nats, accuracies as fractions, seconds of wall time.
    """

    night: str
    model: str
    pair: str
    kind: str
    status: str
    fault: str | None
    step_1: float | None
    step_2: float | None
    median: float | None
    max: float | None
    accuracy_a: float | None
    accuracy_b: float | None
    seconds_a: float | None
    seconds_b: float | None
    host_a: str
    host_b: str
    trace_a: str | None
    trace_b: str | None
