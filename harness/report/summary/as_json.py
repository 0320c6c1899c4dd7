"""A summary for programs: `verdict.json`. Source: `schema/verdict.schema.json`."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

from harness.night.checks import NightCheck
from harness.report.as_json import describe_pair, plain
from harness.report.corners import Corners
from harness.report.summary import Summary, model_of
from harness.report.tables import where
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow

VERDICT_VERSION = 1


def render(summary: Summary) -> str:
    """The document. A night that is run again changes only its seconds and digests of traces."""
    return "".join(lines(summary))


def lines(summary: Summary) -> Iterator[str]:
    """The document line by line, one for each pair and cell: of many pairs no more than one is in memory as JSON."""
    yield "{\n"
    for name, value in (
        ("verdict_version", VERDICT_VERSION),
        ("title", summary.title),
        ("night", summary.night),
        ("mode", summary.mode),
        ("headline", summary.headline),
        ("exit_code", summary.exit_code),
        ("hosts", list(summary.hosts)),
    ):
        yield f"{_encode(name)}: {_encode(value)},\n"
    lists: tuple[tuple[str, Iterable[Any]], ...] = (
        ("pairs", map(_pair, summary.rows)),
        ("cells", map(_cell, summary.cells)),
        ("checks", map(_check, summary.checks)),
        ("corners", map(_corners, summary.corners)),
        ("events", map(dataclasses.asdict, summary.events)),
        ("problems", summary.problems),
    )
    for number, (name, items) in enumerate(lists):
        yield f"{_encode(name)}: ["
        for place, item in enumerate(items):
            yield f"{',' if place else ''}\n{_encode(item)}"
        yield "]\n" if number == len(lists) - 1 else "],\n"
    yield "}\n"


def _encode(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _check(check: NightCheck) -> dict[str, Any]:
    names = ("name", "command", "host", "status", "exit_code", "seconds")
    return {name: getattr(check, name) for name in names}


def _pair(row: PairRow) -> dict[str, Any]:
    return {"model": model_of(row), "where": where(row), "compared": describe_pair(row)}


def _corners(corners: Corners) -> dict[str, Any]:
    pairs = [
        {
            "name": one.row.name,
            "kind": one.row.kind,
            "step_1": one.step_1,
            "step_2": one.step_2,
            "median": one.median,
            "max": one.max,
            "max_in_lockstep": one.together,
        }
        for one in corners.table.rows
    ]
    claims = [
        {
            "claim": finding.claim.key,
            "says": finding.claim.says,
            "published": finding.claim.published,
            "section": finding.claim.section,
            "outcome": finding.outcome,
            "decided_by": finding.pair or None,
            "reason": finding.line,
            "measured": finding.measured,
            "asked": finding.asked,
        }
        for finding in corners.claims
    ]
    described: dict[str, Any] = plain({"model": corners.network, "pairs": pairs, "claims": claims})
    return described


def _cell(cell: StoredCell) -> dict[str, Any]:
    facts, manifest = cell.facts, cell.manifest
    return {
        "cell": cell.name,
        "host": cell.host,
        "model": facts.model,
        "pipeline": facts.pipeline,
        "backend": facts.backend,
        "dtype": facts.dtype,
        "evidence": facts.evidence,
        "status": "absent" if facts.absent else manifest.status,
        "asked": facts.asked,
        "note": cell.note,
        "steps_written": manifest.steps_written,
        "test_accuracy": manifest.test_accuracy,
        "seconds": manifest.wall_s,
        "trace": cell.relative,
        "trace_sha256": manifest.trace_sha256,
        "command": facts.command,
    }
