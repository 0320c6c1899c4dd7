"""Reports as JSON: plain dicts, NaN and infinities as the strings that traces use. Specified by `schema/`."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.trace.format import to_number
from harness.trace.recording import Recording
from harness.verdict.compare import Comparison, Numbers
from harness.verdict.judge import UNREADABLE, worst_exit_code
from harness.verdict.pair import PairRow, exit_code

DIFF_VERSION = 2
_COLUMNS = ("close", "loss_a", "loss_b", "delta", "lr_a", "lr_b", "steps")  # whole columns stay in the traces


def render(rows: Sequence[PairRow], code: int | None = None) -> str:
    """A document of several pairs. `code`: the exit code, by default that of the rows."""
    document = {
        "diff_version": DIFF_VERSION,
        "pairs": [describe_pair(row) for row in rows],
        "exit_code": exit_code(rows) if code is None else code,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def stream(rows: Iterable[PairRow], unreadable: bool = False) -> Iterator[str]:
    """The document of many pairs, a line for each: no more than one is in memory. `unreadable`: whether a trace was."""
    yield f'{{"diff_version": {DIFF_VERSION}, "pairs": ['
    codes = {UNREADABLE} if unreadable else set()
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}\n{json.dumps(describe_pair(row), ensure_ascii=False, allow_nan=False)}"
        codes.add(exit_code([row]))
    yield f'],\n"exit_code": {worst_exit_code(codes)}}}\n'


def describe_pair(row: PairRow) -> dict[str, Any]:
    """A pair as a dict of JSON values."""
    pair: dict[str, Any] = {"pair": row.name, "kind": row.kind, "note": row.note, "findings": list(row.findings)}
    if row.comparison is not None:
        pair |= _describe_comparison(row.comparison)
    if row.verdict is not None:
        verdict = {name: getattr(row.verdict, name) for name in ("status", "fault", "gate", "reason", "place")}
        pair["gates"] = [dataclasses.asdict(line) for line in row.verdict.evidence]
        covered = row.verdict.coverage
        verdict["coverage"] = None if covered is None else dataclasses.asdict(covered)
        pair["verdict"] = verdict | {"unreached": list(row.verdict.unreached), "exit_code": row.verdict.exit_code}
    described: dict[str, Any] = plain(pair)
    return described


def _describe_comparison(comparison: Comparison) -> dict[str, Any]:
    judging, numbers = comparison.judging, comparison.numbers
    return {
        "a": _describe_side(comparison.a, comparison.resolution_a),
        "b": _describe_side(comparison.b, comparison.resolution_b),
        "mode": dataclasses.asdict(judging.mode),
        "judging": {
            "window": judging.window,
            "steps": judging.steps,
            "all_steps": judging.all_steps,
            "horizon": judging.horizon,
        },
        "identity": dataclasses.asdict(comparison.identity),
        "numbers": None if numbers is None else _describe_numbers(numbers),
    }


def _describe_side(side: Recording, resolution: float | None) -> dict[str, Any]:
    header, manifest = side.trace.header, side.manifest
    return {
        "trace": side.trace.path,
        "phase": header.phase,
        "pipeline": header.pipeline,
        "backend": header.backend,
        "dtype": header.dtype,
        "steps": side.trace.steps,
        "last_step": side.trace.last_step,
        "notes": list(side.trace.notes),
        "unknown": list(header.unknown or ()),
        "planned_steps": header.planned_steps,
        "print_resolution": resolution,
        "status": None if manifest is None else manifest.status,
        "test_accuracy": None if manifest is None else manifest.test_accuracy,
    }


def _describe_numbers(numbers: Numbers) -> dict[str, Any]:
    steps = {f"step_{step}": numbers.delta_at(step) for step in (1, 2, 3)}
    fields = [field.name for field in dataclasses.fields(Numbers) if field.name not in _COLUMNS]
    return steps | {name: getattr(numbers, name) for name in fields}


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, NaN and infinities as strings."""
    if isinstance(value, float):
        return to_number(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
