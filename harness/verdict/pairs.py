"""What cells mean together: their pairs, each with its f64 cross-check, and their factorials."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

import msgspec

from harness.errors import TraceError
from harness.run.pipelines import PIPELINES
from harness.trace.store import StoredCell
from harness.verdict import Verdict
from harness.verdict.compare import Comparison, Judging, compare
from harness.verdict.pair import PairRow, judge_recordings
from harness.verdict.relation import relation
from harness.verdict.square import Square, split_square

# What tells cells of one run apart, and what says nothing about what was run.
_WITHIN_A_RUN = ("pipeline", "backend", "eager", "channels", "command", "absent", "asked")
_OF_A_RUNG = ("dtype", "steps", "evidence")


def runs_of(cells: Iterable[StoredCell]) -> list[list[StoredCell]]:
    """The cells of each run: of one network, configuration, size, start and length, wherever they ran."""
    runs: dict[tuple[object, ...], list[StoredCell]] = {}
    for cell in cells:
        runs.setdefault(_key(cell, _WITHIN_A_RUN), []).append(cell)
    return list(runs.values())


def judge_cells(cells: Sequence[StoredCell], judging: Judging) -> Iterator[PairRow]:
    """The pairs of every run, with the f64 ladders that lie among the cells."""
    rungs = [cell for cell in cells if cell.facts.evidence]
    for run in runs_of(cell for cell in cells if not cell.facts.evidence):
        yield from judge_pairs(run, judging, rungs if run[0].facts.dtype == "f32" else ())


def judge_pairs(cells: Sequence[StoredCell], judging: Judging, rungs: Sequence[StoredCell] = ()) -> Iterator[PairRow]:
    """A row for every pair that differs in one factor; not for one with a backend that is absent and not asked for.

    `cells`: of one run. `rungs`: cells in f64, among them the same ones.
    """
    there = [cell for cell in cells if cell.counts]
    names = _names(there)
    recording = cache(StoredCell.read)

    @cache
    def unreadable(cell: StoredCell) -> str:
        """What is wrong with the trace of a complete cell; empty when it can be read."""
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
        notes = [f"{names[cell]}: {note}" for cell in (left, right) if (note := cell.note or unreadable(cell))]
        if notes:
            missing = Verdict("INCONCLUSIVE", "cells", "; ".join(notes), None)
            row = PairRow(*pair, verdict=missing, note="; ".join(notes), kind=kind)
        else:
            ladder = _ladder(left, right, rungs)
            row = judge_recordings(recording(left), recording(right), judging, kind, ladder)
        yield replace(row, a=pair[0], b=pair[1], cells=(left, right))


def split_squares(cells: Sequence[StoredCell], judging: Judging) -> Iterator[Square]:
    """The square of every backend that has corners; one whose corners are not all complete says why."""
    for backend in dict.fromkeys(cell.facts.backend for cell in cells):
        places = [(pipeline, backend) for pipeline in PIPELINES]
        corners = [c for place in places for c in cells if (c.facts.pipeline, c.facts.backend) == place]
        if not any(corner.counts for corner in corners):
            continue
        notes = [f"{corner.short_name}: {corner.note}" for corner in corners if corner.note]
        if notes:
            yield Square(backend, missing="; ".join(notes))
        else:
            traces = {corner.short_name: corner.read().trace for corner in corners}
            judged = judging.judged(min(trace.steps for trace in traces.values()))
            yield split_square(backend, traces, judged, judging.mode)


def _ladder(a: StoredCell, b: StoredCell, rungs: Sequence[StoredCell]) -> Comparison | str | None:
    """The same pair in f64, or what is the matter with it; None when it was not run."""
    if a.facts.pipeline == b.facts.pipeline:
        return None
    left, right = (cells_in_f64(cell, rungs) for cell in (a, b))
    if not (left and right):
        return None
    if notes := [f"{rung.name}: {rung.note}" for rung in (left[0], right[0]) if rung.note]:
        return "; ".join(notes)
    try:
        return compare(left[0].read(), right[0].read())
    except TraceError as error:
        return str(error)


def cells_in_f64(cell: StoredCell, rungs: Sequence[StoredCell]) -> list[StoredCell]:
    """The cell in f64, of the same host and run. f64 runs on the CPU only."""
    if cell.facts.backend != "cpu":
        return []
    about = cell.host, cell.facts.pipeline, _key(cell, (*_WITHIN_A_RUN, *_OF_A_RUNG))
    return [r for r in rungs if (r.host, r.facts.pipeline, _key(r, (*_WITHIN_A_RUN, *_OF_A_RUNG))) == about]


def _names(cells: Sequence[StoredCell]) -> Mapping[StoredCell, str]:
    """Short names, with the host where cells of several would be called alike."""
    hosts: dict[str, set[str]] = {}
    for cell in cells:
        hosts.setdefault(cell.short_name, set()).add(cell.host)
    return {
        cell: f"{cell.short_name}@{cell.host}" if len(hosts[cell.short_name]) > 1 else cell.short_name for cell in cells
    }


def _key(cell: StoredCell, without: Sequence[str]) -> tuple[object, ...]:
    facts = msgspec.structs.asdict(cell.facts)
    return tuple(value for name, value in facts.items() if name not in without)
