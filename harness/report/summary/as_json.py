"""A summary for programs: `verdict.json`. Source: `schema/verdict.schema.json`."""

import dataclasses
import json
from typing import Any

from harness.report.as_json import describe_pair
from harness.report.summary import Summary, model_of
from harness.report.tables import where
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow

VERDICT_VERSION = 1


def render(summary: Summary) -> str:
    """The document. A night that is run again changes only its seconds and digests of traces."""
    document: dict[str, Any] = {
        "verdict_version": VERDICT_VERSION,
        "title": summary.title,
        "night": summary.night,
        "mode": summary.mode,
        "headline": summary.headline,
        "exit_code": summary.exit_code,
        "hosts": list(summary.hosts),
        "pairs": [_pair(row) for row in summary.rows],
        "cells": [_cell(cell) for cell in summary.cells],
        "checks": [
            {
                "name": check.name,
                "command": check.command,
                "host": check.host,
                "status": check.status,
                "exit_code": check.exit_code,
                "seconds": check.seconds,
            }
            for check in summary.checks
        ],
        "events": [dataclasses.asdict(event) for event in summary.events],
        "problems": list(summary.problems),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _pair(row: PairRow) -> dict[str, Any]:
    return {"model": model_of(row), "where": where(row), "compared": describe_pair(row)}


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
