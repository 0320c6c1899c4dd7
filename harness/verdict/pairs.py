"""The pairs and factorials of cells, each pair with its f64 cross-check."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from harness.errors import TraceError
from harness.run.pipelines import FACTORIAL
from harness.trace.segments import read_segments, segments_path
from harness.trace.store import StoredCell
from harness.verdict.compare import Judging, compare
from harness.verdict.evidence import Beside, Lockstep
from harness.verdict.evidence_cells import find_evidence, key_of_run
from harness.verdict.factorial import Factorial, split_factorial
from harness.verdict.judge import Verdict
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.relation import relation
from harness.verdict.silent_faults import silent_faults


def runs_of(cells: Iterable[StoredCell]) -> list[list[StoredCell]]:
    """The cells of each run: of one network, configuration, size, start and length, wherever they ran."""
    runs: dict[tuple[object, ...], list[StoredCell]] = {}
    for cell in cells:
        runs.setdefault(key_of_run(cell), []).append(cell)
    return list(runs.values())


def judge_cells(cells: Sequence[StoredCell], judging: Judging) -> Iterator[PairRow]:
    """The pairs of every run, with the evidence for them that lies among the cells."""
    evidence = [cell for cell in cells if cell.facts.evidence]
    for run in runs_of(cell for cell in cells if not cell.facts.evidence):
        yield from judge_pairs(run, judging, evidence if run[0].facts.dtype == "f32" else ())


def judge_pairs(
    cells: Sequence[StoredCell], judging: Judging, evidence: Sequence[StoredCell] = ()
) -> Iterator[PairRow]:
    """A row for every pair that differs in one factor; not for one with a backend that is absent and not asked for.

    `cells`: of one run. `evidence`: cells that were run for the sake of others, among them these.
    """
    there = [cell for cell in cells if cell.counts]
    names = _names(there)
    recording = cache(StoredCell.read)

    @cache
    def trouble(cell: StoredCell) -> str:
        """The reason why a cell cannot be compared; empty when it can, if only to find that it is no proof."""
        if cell.manifest.status != "complete":
            return cell.note
        try:
            recording(cell)
        except TraceError as error:
            return str(error)
        return ""

    for left, right in itertools.combinations(there, 2):
        kind = relation(left.facts, right.facts, left.host == right.host)
        if kind is None:
            continue
        pair = names[left], names[right]
        notes = [f"{names[cell]}: {note}" for cell in (left, right) if (note := trouble(cell))]
        if notes:
            missing = Verdict("INCONCLUSIVE", "cells", "; ".join(notes), None)
            row = PairRow(*pair, verdict=missing, note="; ".join(notes), kind=kind)
        else:
            beside = find_evidence(left, right, evidence)
            row = judge_recordings(recording(left), recording(right), judging, kind, beside)
        yield replace(row, a=pair[0], b=pair[1], cells=(left, right), findings=silent_faults(row, (left, right)))


def judge_followed(leader: StoredCell, follower: StoredCell, judging: Judging) -> PairRow:
    """The row of a cell and of one that followed it."""
    names = leader.short_name, follower.short_name
    kind = relation(leader.facts, follower.facts) or ""
    try:
        notes = [f"{cell.name}: {cell.note}" for cell in (leader, follower) if cell.note]
        if notes:
            raise TraceError("; ".join(notes))
        a, b = leader.read(), follower.read()
        together = Lockstep(compare(a, b, Judging(all_steps=True)), read_segments(segments_path(follower.trace)))
    except TraceError as error:
        missing = Verdict("INCONCLUSIVE", "cells", str(error), None)
        return PairRow(*names, verdict=missing, note=str(error), kind=kind, cells=(leader, follower))
    row = judge_recordings(a, b, judging, kind, Beside(lockstep=together))
    return replace(row, a=names[0], b=names[1], cells=(leader, follower))


def split_factorials(cells: Sequence[StoredCell], judging: Judging) -> Iterator[Factorial]:
    """The 2x2 factorial of every backend that has both compilers; one whose runs are not all complete says why."""
    for backend in dict.fromkeys(cell.facts.backend for cell in cells):
        places = [(pipeline, backend) for pipeline in FACTORIAL]
        runs = [c for place in places for c in cells if (c.facts.pipeline, c.facts.backend) == place]
        if len(runs) < len(places) or not any(run.counts for run in runs):
            continue
        notes = [f"{run.short_name}: {run.note}" for run in runs if run.note]
        if notes:
            yield Factorial(backend, missing="; ".join(notes))
        else:
            traces = {run.short_name: run.read().trace for run in runs}
            judged = judging.judged(min(trace.steps for trace in traces.values()))
            yield split_factorial(backend, traces, judged, judging.mode)


def _names(cells: Sequence[StoredCell]) -> Mapping[StoredCell, str]:
    """Short names, with the host where cells of several would be called alike."""
    hosts: dict[str, set[str]] = {}
    for cell in cells:
        hosts.setdefault(cell.short_name, set()).add(cell.host)
    return {
        cell: f"{cell.short_name}@{cell.host}" if len(hosts[cell.short_name]) > 1 else cell.short_name for cell in cells
    }
