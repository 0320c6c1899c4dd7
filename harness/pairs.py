"""What the cells of a verification mean together: pairs, their ladders, the conventions of those that differ."""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.cells import FACTORS, Cell, relation
from harness.compare import Comparison, compare
from harness.explain.beside import search_beside
from harness.recording import Recording, read_recording
from harness.report import PairRow, judge_recordings
from harness.run.cell import CellPlan
from harness.verdict import Verdict
from harness.verdict.square import Square, split_square
from harness.verification import CellResult, Options


def judge_pairs(options: Options, results: Sequence[CellResult], rungs: Sequence[CellResult] = ()) -> Iterator[PairRow]:
    """A row for every pair that differs in one factor; not for one with a backend that is absent and not asked for."""
    there = [result for result in results if result.asked or not result.absent]
    for left, right in itertools.combinations(there, 2):
        kind = relation(left.cell, right.cell)
        if kind is None:
            continue
        names = left.cell.short_name, right.cell.short_name
        notes = [f"{result.cell.short_name}: {result.note}" for result in (left, right) if result.note]
        if notes:
            missing = Verdict("INCONCLUSIVE", "cells", "; ".join(notes), None)
            yield PairRow(*names, verdict=missing, note="; ".join(notes), kind=kind)
        else:
            a, b = (_recording(options, result.plan) for result in (left, right))
            ladder = _ladder(options, left.cell, right.cell, rungs)
            yield replace(judge_recordings(a, b, options.judging, kind, ladder), a=names[0], b=names[1])


def explain_pairs(
    options: Options, rows: Sequence[PairRow], rungs: Sequence[CellResult], data: Path
) -> Iterator[PairRow]:
    """The rows; those that f64 tells apart with the conventions that either side was found to have."""
    found: dict[str, str] = {}
    traces = {f"{rung.cell.pipeline}-cpu": rung.plan.trace for rung in rungs}
    about = ["--data", str(data), "--seed", str(options.init_seed), *options.model.size_options.split()]
    for row in rows:
        evidence = row.verdict.evidence if row.verdict is not None else ()
        differs = any(line.gate == "ladder" and line.outcome == "fail" for line in evidence)
        sides = [side for side in (row.a.removesuffix(".eager"), row.b) if differs and side in traces]
        for side in sides:
            if side not in found:
                found[side] = search_beside(options.model.name, traces[side], about)
        yield replace(row, findings=tuple(f"with B = {side} in f64: {found[side]}" for side in sides))


def _ladder(options: Options, a: Cell, b: Cell, rungs: Sequence[CellResult]) -> Comparison | str | None:
    """The same pair in f64, or what is the matter with it; None when it was not run."""
    pair = [rung for cell in (a, b) for rung in rungs if rung.cell.pipeline == cell.pipeline]
    if len(pair) < 2 or {a.backend, b.backend} != {"cpu"} or a.pipeline == b.pipeline:
        return None
    if notes := [f"{rung.cell.name}: {rung.note}" for rung in pair if rung.note]:
        return "; ".join(notes)
    left, right = (_recording(options, rung.plan) for rung in pair)
    return compare(left, right)


def split_squares(options: Options, results: Sequence[CellResult]) -> Iterator[Square]:
    """The square of every backend that has corners; one whose corners are not all complete says why."""
    for backend in dict.fromkeys(result.cell.backend for result in results):
        corners = [r for name in FACTORS for r in results if (r.cell.pipeline, r.cell.backend) == (name, backend)]
        if all(corner.absent and not corner.asked for corner in corners):
            continue
        notes = [f"{corner.cell.short_name}: {corner.note}" for corner in corners if corner.note]
        if notes:
            yield Square(backend, missing="; ".join(notes))
        else:
            traces = {corner.cell.short_name: _recording(options, corner.plan).trace for corner in corners}
            judged = options.judging.judged(min(trace.steps for trace in traces.values()))
            yield split_square(backend, traces, judged, options.judging.mode)


def _recording(options: Options, plan: CellPlan) -> Recording:
    """What a cell left, its path relative to `out`: a report tells nothing about the machine."""
    found = read_recording(plan.trace)
    return replace(found, trace=replace(found.trace, path=os.path.relpath(plan.trace, options.out)))
