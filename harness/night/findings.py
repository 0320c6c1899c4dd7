"""Causes of the differences of a night, by `explain`, kept beside the cells under the digests of their traces."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.errors import HarnessError
from harness.explain.subprocess import Trained, explain_pairs, search_layer
from harness.night.documents import read_document
from harness.run.pipelines import MAIN
from harness.run.provenance import scrub
from harness.system.files import write_json
from harness.trace.store import StoredCell
from harness.verdict.pair import PairRow

_LOCATED = ("forward", "backward", "optimizer", "numerics")


class NightFinding(msgspec.Struct, kw_only=True, frozen=True):
    """Result of `explain` for a pair. `culprit`: `backward of pool1 (phase3)`, empty when none was named.

    `failed`: the search did not finish, and is tried again when the night goes on.
    """

    culprit: str = ""
    failed: bool = False
    sentences: list[str] = msgspec.field(default_factory=list)


Findings = Mapping[str, NightFinding]


def key_of(row: PairRow) -> str:
    """Key of a pair: the digest of its two traces."""
    digests = [cell.manifest.trace_sha256 for cell in row.cells]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def read_findings(path: Path) -> Findings:
    """Those of a night, none where there is no file. Raises: HarnessError for a damaged one."""
    try:
        return read_document(path, dict[str, NightFinding], "findings")
    except FileNotFoundError:
        return {}


def can_be_located(row: PairRow) -> bool:
    """True if `explain` can look at it: a difference between the two pipelines on one CPU, of the mathematics."""
    if row.verdict is None or row.verdict.fault not in _LOCATED or row.kind != "cross-compiler":
        return False
    return all(cell.facts.pipeline in MAIN and cell.facts.backend == "cpu" for cell in row.cells)


def with_findings(rows: Sequence[PairRow], found: Findings) -> list[PairRow]:
    """The rows with their findings."""
    told = [found.get(key_of(row)) if row.cells else None for row in rows]
    return [
        row if about is None else replace(row, culprit=about.culprit, findings=(*row.findings, *about.sentences))
        for row, about in zip(rows, told, strict=True)
    ]


def find_causes(
    path: Path,
    rows: Sequence[PairRow],
    f64_cells: Sequence[StoredCell],
    trained: Callable[[PairRow], Trained],
    refusal: Callable[[], str | None],
) -> None:
    """Explain what no earlier run of the night has, and keep each finding as soon as it is there.

    `f64_cells`: the cells of the f64 cross-checks. `trained`: what a pair trained. Raises: OSError.
    """
    try:
        found = dict(read_findings(path))
    except HarnessError:
        path.unlink()  # a damaged file is made again
        found = {}
    for row in rows:
        earlier = found.get(key_of(row))
        if can_be_located(row) and (earlier is None or earlier.failed) and refusal() is None:
            (told,) = explain_pairs([row], f64_cells, trained(row))
            culprit = search_layer(row, trained(row))
            sentences = [scrub(sentence) for sentence in (culprit.sentence, *told.findings)]
            found[key_of(row)] = NightFinding(culprit=culprit.place, failed=culprit.failed, sentences=sentences)
            write_json(path, found)
