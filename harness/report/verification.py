"""The result of verify, for a terminal, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.dataset import DataChoice
from harness.report import as_json, factorial, markdown
from harness.report.tables import first_named, in_each
from harness.report.text import name_of, render_judged, render_several, render_summary
from harness.run.provenance import scrub_paths
from harness.run.verification import Verification
from harness.spec.models import Model
from harness.spec.shapes import dims
from harness.system.files import replace_file
from harness.system.text import Document, Table, spaced
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging
from harness.verdict.factorial import Factorial
from harness.verdict.judge import EXIT_CODES, INCONCLUSIVE, worst_exit_code
from harness.verdict.pair import PairRow, agreed_steps, exit_code
from harness.verdict.relation import CROSS_TIME, EDGES

VERIFY_VERSION = 2
CELL_COLUMNS = ("cell", "status", "steps", "accuracy", "seconds", "note")
CROSS = ("cross-compiler", *EDGES, "cross-platform", "cross-vendor", "cross-mode", CROSS_TIME)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a verification. `rows` are the pairs, `factorials` their 2x2 factorials, by backend.

    `evidence`: cells that were run for the sake of others.
    """

    verification: Verification
    judging: Judging
    data: DataChoice
    init_sha256: str
    cells: tuple[StoredCell, ...]
    evidence: tuple[StoredCell, ...]
    rows: tuple[PairRow, ...]
    factorials: tuple[Factorial, ...] = ()


def outcome_exit_code(outcome: Outcome) -> int:
    """The worst of the pairs and of the cells that were asked for: one that did not run to its end is inconclusive."""
    incomplete = any(not cell.complete and cell.counts for cell in outcome.cells)
    judged = [exit_code([row]) for row in _judged(outcome)]
    return worst_exit_code([*judged, *([INCONCLUSIVE] if incomplete or not judged else [])])


def headline(outcome: Outcome) -> str:
    """The result in one sentence, which names the pairs that do not agree."""
    judged = _judged(outcome)
    of = {status: [r for r in judged if r.verdict and r.verdict.status == status] for status in EXIT_CODES}
    agree = f"{len(of['PASS'])} of {len(judged)} pairs agree{agreed_steps(judged)}"
    parts = [agree if judged else "no pair could be compared"]
    if of["FAIL"]:
        verb = "differs" if len(of["FAIL"]) == 1 else "differ"
        parts.append(f"{len(of['FAIL'])} {verb}{in_each(of['FAIL'])}: {first_named(of['FAIL'], name_of)}")
    if of["INCONCLUSIVE"]:
        parts.append(f"{len(of['INCONCLUSIVE'])} inconclusive: {first_named(of['INCONCLUSIVE'], name_of)}")
    return f"{outcome.verification.model.spec.name}: {'; '.join(parts).removesuffix('.')}."


def _judged(outcome: Outcome) -> list[PairRow]:
    return [row for row in outcome.rows if row.verdict is not None]


def for_terminal(outcome: Outcome, *, verbose: bool = False) -> Document:
    """Cells, the table of pairs, then evidence and verdicts.

    Of a single pair, or if `verbose`, everything; of several what differs, and a line for the rest.
    """
    judged = _judged(outcome)
    whole = verbose or len(judged) <= 1
    return spaced(
        [
            Document([f"{name:<9} {value}" for name, value in _facts(outcome)]),
            Document(_cells(outcome, whole)),
            render_summary(outcome.rows),
            *(map(render_judged, judged) if whole else render_several(judged)),
            Document([*factorial.sentences(outcome.factorials), headline(outcome)]),
        ]
    )


def _cells(outcome: Outcome, whole: bool) -> list[str | Table]:
    """The table of cells; unless `whole`, those that are complete and evidence for others are only counted."""
    told = [cell for cell in outcome.evidence if whole or not cell.complete]
    blocks: list[str | Table] = [Table(CELL_COLUMNS, cell_rows([*outcome.cells, *told]), wrapped=True)]
    if more := len(outcome.evidence) - len(told):
        blocks += ["", f"{more} more {'cell is' if more == 1 else 'cells are'} complete, run as evidence for these."]
    return blocks


def for_markdown(outcome: Outcome) -> str:
    """The same, with a section for each pair that was compared."""
    parts = [f"# {outcome.verification.model.spec.name}", headline(outcome)]
    parts.append("\n".join(f"- {name}: {value}" for name, value in _facts(outcome)))
    parts.append(markdown.table(CELL_COLUMNS, cell_rows([*outcome.cells, *outcome.evidence])))
    for kind in CROSS:
        of_kind = [row for row in outcome.rows if row.kind == kind]
        if of_kind:
            parts.append(f"## {kind}\n\n{markdown.render_summary(of_kind)}")
            parts += [markdown.render_pair(row) for row in of_kind if row.comparison is not None]
    for one, sentence in zip(outcome.factorials, factorial.sentences(outcome.factorials), strict=True):
        parts.append(f"## {sentence.partition(':')[0]}\n\n**{markdown.escape(one.line)}**")
        if rows := factorial.table(one):
            parts.append(markdown.table(factorial.COLUMNS, rows))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def for_json(outcome: Outcome) -> str:
    """The whole result as JSON. Source: `schema/verify.schema.json`."""
    verification = outcome.verification
    document: dict[str, Any] = {
        "verify_version": VERIFY_VERSION,
        "model": verification.model.name,
        "netspec_name": verification.model.spec.name,
        "netspec_hash": verification.model.spec.netspec_hash(),
        "profile": verification.run.profile,
        "dtype": verification.run.dtype,
        "mode": outcome.judging.mode.name,
        "batch_size": verification.model.config.batch_size,
        "input_shape": verification.model.spec.input_shape,
        "planned_steps": verification.planned_steps(outcome.data.examples),
        "dataset": outcome.data.name,
        "data_sha256": outcome.data.data_sha256,
        "init_seed": verification.run.init_seed,
        "init_sha256": outcome.init_sha256,
        "against": verification.against,
        "cells": [_cell_facts(cell) for cell in outcome.cells],
        "evidence": [_cell_facts(cell) for cell in outcome.evidence],
        "pairs": [as_json.describe_pair(row) for row in outcome.rows],
        "squares": [factorial.describe(one) for one in outcome.factorials],
        "exit_code": outcome_exit_code(outcome),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_reports(outcome: Outcome) -> list[Path]:
    """Write STEM.md and STEM.json into the reports folder and return their paths."""
    paths = outcome.verification.reports
    for path, content in zip(paths, (for_markdown(outcome), for_json(outcome)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(content.encode())
    return paths


def _facts(outcome: Outcome) -> list[tuple[str, str]]:
    verification = outcome.verification
    config = verification.model.config
    steps = verification.planned_steps(outcome.data.examples)
    whole = verification.run.steps is None
    return [
        ("network", f"{verification.model.spec.name}, {verification.model.graph.total_params:,} parameters"),
        *_file(verification.model),
        ("netspec", verification.model.spec.netspec_hash()),
        ("init", f"seed {verification.run.init_seed}, {outcome.init_sha256}"),
        ("data", f"{outcome.data.name}, {outcome.data.data_sha256}"),
        (
            "run",
            f"{steps} steps{' (all)' if whole else ''} of batch {config.batch_size}, {verification.run.dtype}, "
            f"inputs {dims(verification.model.spec.input_shape)}, profile {verification.run.profile}, "
            f"{'shuffled' if verification.run.shuffle else 'file order'}{', augmented' if config.augment else ''}",
        ),
        ("mode", f"{outcome.judging.mode.name}"),
        *([("against", f"the generator of {verification.against}")] if verification.against else []),
    ]


def _file(model: Model) -> list[tuple[str, str]]:
    """The file of a network that is in one of its own."""
    return [] if model.file is None else [("file", f"{scrub_paths(model.file)}, {model.file_sha256}")]


def cell_rows(cells: Sequence[StoredCell]) -> list[list[str]]:
    """Cells under CELL_COLUMNS."""
    rows = []
    for cell in cells:
        manifest = cell.manifest
        status = "absent" if cell.facts.absent else manifest.status
        accuracy = "-" if manifest.test_accuracy is None else f"{100 * manifest.test_accuracy:.2f} %"
        seconds = "-" if manifest.wall_s is None else f"{manifest.wall_s:.1f}"
        rows.append([cell.name, status, str(manifest.steps_written), accuracy, seconds, cell.note])
    return rows


def _cell_facts(cell: StoredCell) -> dict[str, Any]:
    manifest = cell.manifest
    return {
        "cell": cell.name,
        "pipeline": cell.facts.pipeline,
        "backend": cell.facts.backend,
        "status": manifest.status,
        "absent": cell.facts.absent,
        "note": cell.note,
        "steps_written": manifest.steps_written,
        "test_accuracy": manifest.test_accuracy,
        "wall_s": manifest.wall_s,
        "trace": cell.relative,
        "trace_sha256": manifest.trace_sha256,
    }
