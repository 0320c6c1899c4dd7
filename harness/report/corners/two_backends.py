"""Pairs of two compilers on one host that could not run both on one backend."""

from collections.abc import Iterator, Sequence

from harness.errors import TraceError
from harness.report.corners.table import COMPILER
from harness.run.pipelines import MAIN
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging, compare
from harness.verdict.pair import PairRow
from harness.verdict.pairs import runs_of


def pairs_of_two_backends(cells: Sequence[StoredCell], judging: Judging) -> Iterator[PairRow]:
    """Phase 3 beside a phase 2 of the same host that is not there on phase 3's backend, as `phase2-cpu vs phase3-rocm`.

    Two factors differ, so that they have numbers and no verdict. The published table has such a row.
    """
    first, second = MAIN
    there = [cell for cell in cells if cell.complete and not cell.facts.evidence and not cell.facts.eager]
    for run in runs_of(there):
        for right in run:
            beside = [cell for cell in run if cell.facts.pipeline == first and cell.host == right.host]
            if right.facts.pipeline != second or any(cell.facts.backend == right.facts.backend for cell in beside):
                continue
            for left in beside:
                try:
                    comparison = compare(left.read(), right.read(), judging)
                except TraceError:
                    continue  # the pairs that are judged tell of it
                names = left.short_name, right.short_name
                yield PairRow(*names, comparison, kind=COMPILER, cells=(left, right))
