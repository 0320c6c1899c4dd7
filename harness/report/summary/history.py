"""Night after night: one row per pair, kept in a Parquet file."""

import dataclasses
import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.system.files import replace_file
from harness.trace.format import one_line
from harness.verdict.pair import PairRow


@dataclass(frozen=True)
class HistoryRow:
    """One pair of one night. `model`: with its settings off the defaults; `pair`: `phase2-cpu vs phase3-cpu`.

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


def row_of(night: str, model: str, row: PairRow) -> HistoryRow:
    """A judged pair of a night."""
    assert row.verdict is not None
    numbers = row.comparison.numbers if row.comparison is not None else None
    a, b = row.cells
    return HistoryRow(
        night=night,
        model=model,
        pair=row.name,
        kind=row.kind,
        status=row.verdict.status,
        fault=row.verdict.fault,
        step_1=None if numbers is None else numbers.delta_at(1),
        step_2=None if numbers is None else numbers.delta_at(2),
        median=None if numbers is None else numbers.median,
        max=None if numbers is None else numbers.max,
        accuracy_a=a.manifest.test_accuracy,
        accuracy_b=b.manifest.test_accuracy,
        seconds_a=a.manifest.wall_s,
        seconds_b=b.manifest.wall_s,
        host_a=a.host,
        host_b=b.host,
        trace_a=a.manifest.trace_sha256,
        trace_b=b.manifest.trace_sha256,
    )


def read_history(path: Path) -> list[HistoryRow]:
    """All nights, oldest first; none where there is no file. Raises: HarnessError for a file that is no history."""
    import pyarrow
    import pyarrow.parquet

    if not path.exists():
        return []
    try:
        rows = [HistoryRow(**row) for row in pyarrow.parquet.read_table(path).cast(_schema()).to_pylist()]
        if any(None in (row.night, row.model, row.pair, row.status) for row in rows):
            raise ValueError("a row without night, model, pair or status")
    except (OSError, pyarrow.ArrowException, ValueError) as error:
        raise HarnessError(
            f"{path}: not a history: {one_line(error)}. Move it away; the next night begins one."
        ) from None
    return sorted(rows, key=_key)


def append_history(path: Path, rows: Sequence[HistoryRow]) -> None:
    """Add the rows of a night; those that the same pairs of that night had before are replaced.

    Raises: HarnessError for a file that is no history, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two nights may end at once
        _replace(path, rows)


def _replace(path: Path, rows: Sequence[HistoryRow]) -> None:
    import pyarrow
    import pyarrow.parquet

    new = {_key(row) for row in rows}
    kept = [row for row in read_history(path) if _key(row) not in new]
    ordered = sorted([*kept, *rows], key=_key)
    table = pyarrow.Table.from_pylist([dataclasses.asdict(row) for row in ordered], schema=_schema())
    with replace_file(path) as file:
        pyarrow.parquet.write_table(table, file, compression="zstd")


def _key(row: HistoryRow) -> tuple[str, str, str]:
    return row.night, row.model, row.pair


def _schema() -> Any:
    import pyarrow

    kinds = {"str": pyarrow.string(), "str | None": pyarrow.string(), "float | None": pyarrow.float64()}
    return pyarrow.schema([(field.name, kinds[str(_name(field.type))]) for field in dataclasses.fields(HistoryRow)])


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
